{{/*
What the pods of bridge, worker, topics and test share. All take (dict "root" $ "component" "bridge").
*/}}

{{/* Pods start anew when a setting or a secret of the chart changes. */}}
{{- define "previews.annotations" -}}
{{- $own := get .root.Values .component -}}
checksum/config: {{ include "previews.config" . | sha256sum }}
checksum/secret: {{ include "previews.secretsOf" . | sha256sum }}
{{- with $own.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "previews.config" -}}
{{- $own := dict -}}
{{- if has .component (list "bridge" "worker") }}{{ $own = (get .root.Values .component).settings }}{{ end -}}
{{- range $variable, $value := merge (dict) $own .root.Values.settings }}
{{- $text := include "previews.text" $value }}
{{- if and $text (not (kindIs "invalid" $value)) }}
{{ $variable }}: {{ $text | quote }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "previews.pod" -}}
automountServiceAccountToken: false
# Kubernetes would put BRIDGE_PORT=tcp://… and the like among the settings.
enableServiceLinks: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- with .root.Values.securityContext.runAsUser }}
  runAsUser: {{ int64 . }}
  {{- end }}
  {{- with .root.Values.securityContext.runAsGroup }}
  runAsGroup: {{ int64 . }}
  {{- end }}
  {{- with .root.Values.securityContext.fsGroup }}
  fsGroup: {{ int64 . }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{/* Where the pods of bridge and worker run, and as whom. */}}
{{- define "previews.placement" -}}
{{- $own := get .root.Values .component -}}
serviceAccountName: {{ include "previews.serviceAccount" .root }}
terminationGracePeriodSeconds: {{ include "previews.graceSeconds" . }}
{{- with $own.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $own.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if kindIs "invalid" $own.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range $key := list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "previews.componentSelector" $ | nindent 8 }}
  {{- end }}
{{- else if $own.topologySpreadConstraints }}
topologySpreadConstraints: {{- toYaml $own.topologySpreadConstraints | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "previews.container" -}}
image: {{ include "previews.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* Where the variables come from: the component's ConfigMap, or that of another one (`as`), its Secrets, and what else is given. */}}
{{- define "previews.envFrom" -}}
{{- $as := .as | default .component -}}
envFrom:
  - configMapRef: { name: {{ include "previews.name" .root }}-{{ $as }} }
  {{- range fromJsonArray (include "previews.secretNames" .) }}
  - secretRef: { name: {{ . }} }
  {{- end }}
  {{- with (get .root.Values $as).extraEnvFrom }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* Items of env, mounts and volumes for TLS with the brokers; nothing where it is not used. */}}
{{- define "previews.tlsEnv" -}}
{{- with .Values.kafkaTls }}
{{- if .caSecret }}
- { name: KAFKA_SSL_CA_FILE, value: /etc/kafka-tls/ca.crt }
{{- end }}
{{- if .clientSecret }}
- { name: KAFKA_SSL_CERTIFICATE_FILE, value: /etc/kafka-tls/client.crt }
- { name: KAFKA_SSL_KEY_FILE, value: /etc/kafka-tls/client.key }
{{- end }}
{{- end }}
{{- end -}}

{{- define "previews.tlsMount" -}}
{{- if or .Values.kafkaTls.caSecret .Values.kafkaTls.clientSecret }}
- { name: kafka-tls, mountPath: /etc/kafka-tls, readOnly: true }
{{- end }}
{{- end -}}

{{- define "previews.tlsVolume" -}}
{{- with .Values.kafkaTls }}
{{- if or .caSecret .clientSecret }}
- name: kafka-tls
  projected:
    sources:
      {{- if .caSecret }}
      - secret:
          name: {{ .caSecret }}
          items: [{ key: {{ .caKey }}, path: ca.crt }]
      {{- end }}
      {{- if .clientSecret }}
      - secret:
          name: {{ .clientSecret }}
          items:
            - { key: {{ .certificateKey }}, path: client.crt }
            - { key: {{ .privateKey }}, path: client.key }
      {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* (dict "probes" … "port" "http" "startup" "/healthz") */}}
{{- define "previews.probes" -}}
startupProbe:
  httpGet: { path: {{ .startup }}, port: {{ .port }} }
  {{- toYaml .probes.startup | nindent 2 }}
readinessProbe:
  httpGet: { path: /readyz, port: {{ .port }} }
  {{- toYaml .probes.readiness | nindent 2 }}
livenessProbe:
  httpGet: { path: /healthz, port: {{ .port }} }
  {{- toYaml .probes.liveness | nindent 2 }}
{{- end -}}

{{- define "previews.preStop" -}}
{{- with (get .root.Values .component).preStopSeconds }}
lifecycle:
  preStop:
    sleep: { seconds: {{ int . }} }
{{- end }}
{{- end -}}

{{/* What the process needs from preStop on to end in order, with a margin; as values say where they say so. */}}
{{- define "previews.neededSeconds" -}}
{{- $needed := (get .root.Values .component).preStopSeconds | float64 -}}
{{- if eq .component "bridge" -}}
{{- $needed = addf $needed (include "previews.setting" (merge (dict "name" "BRIDGE_PRE_STOP_SECONDS") .) | default "0" | float64) -}}
{{- $needed = addf $needed (include "previews.setting" (merge (dict "name" "BRIDGE_DRAIN_SECONDS") .) | default "20" | float64) 15 -}}
{{- else -}}
{{- $needed = addf $needed (include "previews.setting" (merge (dict "name" "SHUTDOWN_SECONDS") .) | default "25" | float64) 10 -}}
{{- end -}}
{{- ceil $needed | int -}}
{{- end -}}

{{- define "previews.graceSeconds" -}}
{{- $given := (get .root.Values .component).terminationGracePeriodSeconds -}}
{{- if kindIs "invalid" $given }}{{ include "previews.neededSeconds" . }}{{ else }}{{ int $given }}{{ end -}}
{{- end -}}
