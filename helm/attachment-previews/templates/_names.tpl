{{- define "previews.name" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 44 | trimSuffix "-" -}}
{{- end -}}

{{- define "previews.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "previews.labels" -}}
{{ include "previews.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: attachment-previews
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The selector of a component: (dict "root" $ "component" "bridge"). */}}
{{- define "previews.componentSelector" -}}
{{ include "previews.selector" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "previews.componentLabels" -}}
{{ include "previews.labels" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "previews.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end -}}

{{- define "previews.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "previews.name" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* A value as the text of a variable: Go would write the number 1000000 as 1e+06. */}}
{{- define "previews.text" -}}
{{- if kindIs "float64" . -}}
{{- if eq (floor .) . }}{{ printf "%.0f" . }}{{ else }}{{ toString . }}{{ end -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end -}}

{{/* One setting in force for a component, empty where the product's default holds: (dict "root" $ "component" "worker" "name" "…"). */}}
{{- define "previews.setting" -}}
{{- $own := dict -}}
{{- if has .component (list "bridge" "worker") }}{{ $own = (get .root.Values .component).settings }}{{ end -}}
{{- $value := get (merge (dict) $own .root.Values.settings) .name -}}
{{- if not (kindIs "invalid" $value) }}{{ include "previews.text" $value }}{{ end -}}
{{- end -}}

{{/* The product's own default, which tests compare with stream/settings.py and agents/settings.py. */}}
{{- define "previews.partitions" -}}
{{- include "previews.setting" (dict "root" . "component" "" "name" "TOPIC_PARTITIONS") | default "4" -}}
{{- end -}}
{{- define "previews.replicationFactor" -}}
{{- include "previews.setting" (dict "root" . "component" "" "name" "TOPIC_REPLICATION_FACTOR") | default "1" -}}
{{- end -}}
{{- define "previews.minInsyncReplicas" -}}
{{- include "previews.setting" (dict "root" . "component" "" "name" "TOPIC_MIN_INSYNC_REPLICAS") | default "1" -}}
{{- end -}}
{{- define "previews.prefix" -}}
{{- include "previews.setting" (dict "root" . "component" "" "name" "TOPIC_PREFIX") -}}
{{- end -}}
{{- define "previews.group" -}}
{{- include "previews.prefix" . }}{{ include "previews.setting" (dict "root" . "component" "" "name" "WORKER_GROUP") | default "attachment-previews" -}}
{{- end -}}
