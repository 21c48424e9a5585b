{{/* Where a component may connect to: names, Kafka, and what its work needs. */}}
{{- define "previews.egress" -}}
{{- $egress := .root.Values.networkPolicy.egress -}}
- ports: # DNS
    - { port: 53, protocol: UDP }
    - { port: 53, protocol: TCP }
- ports: # Kafka
    {{- range $egress.kafkaPorts }}
    - { port: {{ . }}, protocol: TCP }
    {{- end }}
  {{- with $egress.kafkaTo }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- $tokens := include "previews.setting" (dict "root" .root "component" "worker" "name" "KAFKA_OAUTH_TOKEN_URL") }}
{{- with include "previews.otherPort" (dict "component" .component "url" $tokens) }}
- ports: # tokens for Kafka
    - { port: {{ . }}, protocol: TCP }
{{- end }}
{{- if ne .component "jobs" }}
{{- $collector := include "previews.setting" (merge (dict "name" "OTEL_EXPORTER_OTLP_ENDPOINT") .) }}
{{- with include "previews.otherPort" (dict "component" .component "url" $collector) }}
- ports: # traces
    - { port: {{ . }}, protocol: TCP }
{{- end }}
{{- end }}
{{- if eq .component "worker" }}
{{- $s3 := include "previews.setting" (merge (dict "name" "S3_ENDPOINT") .) }}
{{- with ternary (include "previews.portOf" $s3) (include "previews.otherPort" (dict "component" .component "url" $s3)) (and $s3 $egress.s3To | empty | not) }}
- ports: # S3
    - { port: {{ . }}, protocol: TCP }
  {{- with $egress.s3To }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
- ports: # files of guests, and Genesys
    - { port: 443, protocol: TCP }
  to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except: {{- toYaml $egress.httpsExcept | nindent 10 }}
    - ipBlock:
        cidr: ::/0
        except: {{- toYaml $egress.httpsExceptIpv6 | nindent 10 }}
{{- end }}
{{- if eq .component "jobs" }}
- ports: # helm test posts to the bridge
    - { port: http, protocol: TCP }
  to:
    - podSelector:
        matchLabels: {{- include "previews.componentSelector" (dict "root" .root "component" "bridge") | nindent 10 }}
{{- end }}
{{- with $egress.extra }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "previews.portOf" -}}
{{- $url := urlParse . -}}
{{- regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- end -}}

{{/* The port of an address that needs a rule of its own. A worker's 443 has one, and one to anywhere would undo its exceptions. */}}
{{- define "previews.otherPort" -}}
{{- if .url -}}
{{- $port := include "previews.portOf" .url -}}
{{- if not (and (eq .component "worker") (eq $port "443")) }}{{ $port }}{{ end -}}
{{- end -}}
{{- end -}}
