{{/* The lag of [attachments], and of no other topic: that of [previews] is Genesys' rate, which more pods cannot raise. */}}
{{- define "previews.lagTrigger" -}}
{{- $keda := .Values.worker.autoscaling.keda -}}
{{- $protocol := include "previews.setting" (dict "root" . "component" "worker" "name" "KAFKA_SECURITY_PROTOCOL") -}}
- type: kafka
  metadata:
    bootstrapServers: {{ include "previews.setting" (dict "root" . "component" "worker" "name" "KAFKA_BOOTSTRAP_SERVERS") | quote }}
    consumerGroup: {{ include "previews.group" . | quote }}
    topic: {{ include "previews.prefix" . }}attachments
    lagThreshold: {{ $keda.lagThreshold | quote }}
    offsetResetPolicy: earliest # as the workers read
    allowIdleConsumers: "false" # a partition has one reader
    sasl: {{ include "previews.kedaSasl" . }}
    tls: {{ ternary "enable" "disable" (hasSuffix "SSL" $protocol) }}
  {{- with include "previews.triggerAuthenticationName" . }}
  authenticationRef: { name: {{ . }} }
  {{- end }}
{{- end -}}

{{- define "previews.kedaSasl" -}}
{{- $mechanism := include "previews.setting" (dict "root" . "component" "worker" "name" "KAFKA_SASL_MECHANISM") -}}
{{- get (dict "" "none" "PLAIN" "plaintext" "SCRAM-SHA-256" "scram_sha256" "SCRAM-SHA-512" "scram_sha512" "OAUTHBEARER" "oauthbearer") $mechanism -}}
{{- end -}}

{{- define "previews.triggerAuthenticationName" -}}
{{- $given := .Values.worker.autoscaling.keda.triggerAuthentication -}}
{{- if $given -}}
{{- $given -}}
{{- else if or (ne (include "previews.kedaSasl" .) "none") .Values.kafkaTls.caSecret .Values.kafkaTls.clientSecret -}}
{{- include "previews.name" . }}-kafka
{{- end -}}
{{- end -}}

{{/* Where a variable of Kafka's access lies: with the settings, or in the Secret. */}}
{{- define "previews.triggerParameter" -}}
{{- $inSettings := include "previews.setting" (dict "root" .root "component" "worker" "name" .variable) -}}
{{- if eq .in (ternary "settings" "secret" (ne $inSettings "")) }}
- parameter: {{ .parameter }}
  name: {{ ternary (printf "%s-worker" (include "previews.name" .root)) (include "previews.secretName" (dict "root" .root "use" "kafka")) (ne $inSettings "") }}
  key: {{ .variable }}
{{- end -}}
{{- end -}}

{{- define "previews.triggerAuthentication" -}}
{{- $keda := .Values.worker.autoscaling -}}
{{- $name := include "previews.triggerAuthenticationName" . -}}
{{- if and (eq $keda.type "keda") $name (not $keda.keda.triggerAuthentication) }}
{{- $sasl := include "previews.kedaSasl" . }}
{{- $parameters := dict }}
{{- if eq $sasl "oauthbearer" }}
{{- $parameters = dict "username" "KAFKA_OAUTH_CLIENT_ID" "password" "KAFKA_OAUTH_CLIENT_SECRET" "oauthTokenEndpointUri" "KAFKA_OAUTH_TOKEN_URL" }}
{{- range $parameter, $variable := dict "scopes" "KAFKA_OAUTH_SCOPE" "oauthExtensions" "KAFKA_OAUTH_EXTENSIONS" }}
{{- if include "previews.setting" (dict "root" $ "component" "worker" "name" $variable) }}{{ $_ := set $parameters $parameter $variable }}{{ end }}
{{- end }}
{{- else if ne $sasl "none" }}
{{- $parameters = dict "username" "KAFKA_SASL_USERNAME" "password" "KAFKA_SASL_PASSWORD" }}
{{- end }}
{{- if and $parameters (not (include "previews.secretName" (dict "root" . "use" "kafka"))) }}
{{- fail "worker.autoscaling.type=keda with KAFKA_SASL_MECHANISM needs secrets.kafka or secrets.existingSecret, for KEDA asks Kafka, too; or name a worker.autoscaling.keda.triggerAuthentication of yours" }}
{{- end }}
---
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata:
  name: {{ $name }}
  labels: {{- include "previews.labels" . | nindent 4 }}
spec:
  {{- $fromSettings := "" }}
  {{- $fromSecret := "" }}
  {{- range $parameter, $variable := $parameters }}
  {{- $fromSettings = print $fromSettings (include "previews.triggerParameter" (dict "root" $ "in" "settings" "parameter" $parameter "variable" $variable)) }}
  {{- $fromSecret = print $fromSecret (include "previews.triggerParameter" (dict "root" $ "in" "secret" "parameter" $parameter "variable" $variable)) }}
  {{- end }}
  {{- with $fromSettings }}
  configMapTargetRef: {{- . | trim | nindent 4 }}
  {{- end }}
  secretTargetRef:
    {{- with $fromSecret }}{{ . | trim | nindent 4 }}{{ end }}
    {{- with .Values.kafkaTls.caSecret }}
    - { parameter: ca, name: {{ . }}, key: {{ $.Values.kafkaTls.caKey }} }
    {{- end }}
    {{- with .Values.kafkaTls.clientSecret }}
    - { parameter: cert, name: {{ . }}, key: {{ $.Values.kafkaTls.certificateKey }} }
    - { parameter: key, name: {{ . }}, key: {{ $.Values.kafkaTls.privateKey }} }
    {{- end }}
{{- end }}
{{- end -}}
