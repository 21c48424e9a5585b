{{/* Which uses of secrets a component reads. */}}
{{- define "previews.usesOf" -}}
{{- get (dict "bridge" "kafka webhook tracing" "worker" "kafka genesys storage objectKey tracing" "topics" "kafka" "test" "kafka webhook") . -}}
{{- end -}}

{{/* The Secret of a use, empty for none: (dict "root" $ "use" "kafka"). */}}
{{- define "previews.secretName" -}}
{{- $secrets := .root.Values.secrets -}}
{{- $own := get $secrets .use -}}
{{- if $own.existingSecret -}}
{{- $own.existingSecret -}}
{{- else if $own.values -}}
{{- include "previews.name" .root }}-{{ kebabcase .use -}}
{{- else -}}
{{- $secrets.existingSecret -}}
{{- end -}}
{{- end -}}

{{/*
The Secrets that a component reads, each once, as a list in JSON: (dict "root" $ "component" "bridge"). The one for all
uses comes first, for what comes last wins.
*/}}
{{- define "previews.secretNames" -}}
{{- $names := list -}}
{{- $root := .root -}}
{{- range splitList " " (include "previews.usesOf" .component) -}}
{{- $names = append $names (include "previews.secretName" (dict "root" $root "use" .)) -}}
{{- end -}}
{{- $all := .root.Values.secrets.existingSecret -}}
{{- if has $all $names }}{{ $names = prepend $names $all }}{{ end -}}
{{- without $names "" | uniq | toJson -}}
{{- end -}}

{{/* What of the secrets a component reads, for a checksum. */}}
{{- define "previews.secretsOf" -}}
{{- $root := .root -}}
{{- list $root.Values.secrets.existingSecret | toJson -}}
{{- range splitList " " (include "previews.usesOf" .component) -}}
{{- get $root.Values.secrets . | toJson -}}
{{- end -}}
{{- end -}}
