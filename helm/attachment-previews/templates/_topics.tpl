{{/* The topics by name, each with its configuration: the same as stream/topics.py, which a test holds them to. */}}
{{- define "previews.topics" -}}
{{- $hour := 3600000 -}}
{{- $retention := mul $hour (include "previews.setting" (dict "root" . "component" "" "name" "TOPIC_RETENTION_HOURS") | default "168" | int64) -}}
{{- $letters := mul $hour (include "previews.setting" (dict "root" . "component" "" "name" "DEAD_LETTER_RETENTION_HOURS") | default "720" | int64) -}}
{{- $prefix := include "previews.prefix" . -}}
{{- range list "attachments" "previews" "lifecycle" "results" }}
{{ $prefix }}{{ . }}:
  cleanup.policy: delete
  retention.ms: {{ $retention | quote }}
  segment.ms: {{ div $retention 8 | quote }}
  message.timestamp.type: LogAppendTime
  max.message.bytes: "1048588"
  {{- include "previews.topicsShared" $ | nindent 2 }}
{{- end }}
{{ $prefix }}dead-letters:
  cleanup.policy: compact,delete
  retention.ms: {{ $letters | quote }}
  segment.ms: {{ div $letters 8 | quote }}
  message.timestamp.type: LogAppendTime
  max.message.bytes: "3145764"
  max.compaction.lag.ms: "3600000"
  {{- include "previews.topicsShared" $ | nindent 2 }}
{{- range list "links" "due" "conversations" }}
{{ include "previews.group" $ }}-{{ . }}-changelog:
  cleanup.policy: compact
  delete.retention.ms: "86400000"
  segment.bytes: "67108864"
  max.message.bytes: "1048588"
  {{- include "previews.topicsShared" $ | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "previews.topicsShared" -}}
min.insync.replicas: {{ include "previews.minInsyncReplicas" . | quote }}
compression.type: uncompressed
{{- end -}}
