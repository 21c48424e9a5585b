{{/* What values.schema.json cannot say. Each line names the value and what it should be. */}}
{{- define "previews.checks" -}}
{{- include "previews.checkSettings" . -}}
{{- include "previews.checkSecrets" . -}}
{{- include "previews.checkScaling" . -}}
{{- include "previews.checkNetwork" . -}}
{{- include "previews.checkGrace" (dict "root" . "component" "bridge") -}}
{{- include "previews.checkGrace" (dict "root" . "component" "worker") -}}
{{- if and (eq .Values.topics.mode "strimzi") (not .Values.topics.strimzi.cluster) -}}
{{- fail "topics.strimzi.cluster must be set with topics.mode=strimzi: the name of the Kafka resource whose Topic Operator makes the topics" -}}
{{- end -}}
{{- $protocol := include "previews.setting" (dict "root" . "component" "" "name" "KAFKA_SECURITY_PROTOCOL") -}}
{{- if and (or .Values.kafkaTls.caSecret .Values.kafkaTls.clientSecret) (not (hasSuffix "SSL" $protocol)) -}}
{{- fail "kafkaTls needs settings.KAFKA_SECURITY_PROTOCOL=SSL or SASL_SSL" -}}
{{- end -}}
{{- end -}}

{{- define "previews.checkSettings" -}}
{{- $secret := .Files.Get "files/secret-settings.json" | fromJsonArray -}}
{{- $ours := list "BRIDGE_PORT" "BRIDGE_SPOOL_DIR" "BRIDGE_SPOOL_MAX_BYTES" "HEALTH_PORT" "WORKER_DATA_DIR" "WORKER_MEMBER_ID" "WORKER_SCRATCH_DIR" "WORKER_TABLE_STORE" "KAFKA_SSL_CA_FILE" "KAFKA_SSL_CERTIFICATE_FILE" "KAFKA_SSL_KEY_FILE" -}}
{{- range $where, $settings := dict "settings" .Values.settings "bridge.settings" .Values.bridge.settings "worker.settings" .Values.worker.settings -}}
{{- range $variable, $_ := $settings -}}
{{- if has $variable $secret -}}
{{- fail (printf "%s.%s is a secret: put it into a Secret named by secrets.existingSecret, or into secrets.*.values" $where $variable) -}}
{{- end -}}
{{- if has $variable $ours -}}
{{- fail (printf "%s.%s is set by the chart: see bridge.spool, worker.tables, worker.staticMembership, kafkaTls" $where $variable) -}}
{{- end -}}
{{- if and (ne $where "settings") (regexMatch "^(TOPIC_|WORKER_GROUP$|DEAD_LETTER_)" $variable) -}}
{{- fail (printf "%s.%s must be the same for every process: put it into settings" $where $variable) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $mode := include "previews.setting" (dict "root" . "component" "worker" "name" "STORAGE_MODE") | default "s3" -}}
{{- if and (eq $mode "s3") (not (include "previews.setting" (dict "root" . "component" "worker" "name" "S3_ENDPOINT"))) -}}
{{- fail "settings.S3_ENDPOINT must be set, or settings.STORAGE_MODE be presigned" -}}
{{- end -}}
{{- $layers := include "previews.setting" (dict "root" . "component" "worker" "name" "RENDER_REQUIRE_CONFINEMENT") -}}
{{- if regexMatch "(^|[, ])(all|network_namespace)([, ]|$)" $layers -}}
{{- fail (printf "settings.RENDER_REQUIRE_CONFINEMENT '%s' asks for network_namespace, which no pod without privileges can have: seccomp,landlock is what it can" $layers) -}}
{{- end -}}
{{- if gt (include "previews.minInsyncReplicas" . | int) (include "previews.replicationFactor" . | int) -}}
{{- fail (printf "settings.TOPIC_MIN_INSYNC_REPLICAS is %s: at most TOPIC_REPLICATION_FACTOR, which is %s" (include "previews.minInsyncReplicas" .) (include "previews.replicationFactor" .)) -}}
{{- end -}}
{{- end -}}

{{- define "previews.checkSecrets" -}}
{{- $bridge := .Values.bridge -}}
{{- $open := eq (include "previews.setting" (dict "root" . "component" "bridge" "name" "WEBHOOK_ALLOW_UNAUTHENTICATED")) "true" -}}
{{- $guarded := include "previews.secretName" (dict "root" . "use" "webhook") -}}
{{- if not (or $guarded $open $bridge.extraEnv $bridge.extraEnvFrom) -}}
{{- fail "secrets.webhook.values.WEBHOOK_SECRET or a source's WEBHOOK_..._CREDENTIALS must be set, or secrets.webhook.existingSecret or secrets.existingSecret: without any the bridge does not start" -}}
{{- end -}}
{{- $root := . -}}
{{- $bySettings := dict "genesys" "GENESYS_CLIENT_ID" "objectKey" "OBJECT_KEY_SECRET" -}}
{{- range $use, $variable := $bySettings -}}
{{- if not (or (include "previews.secretName" (dict "root" $root "use" $use)) $root.Values.worker.extraEnv $root.Values.worker.extraEnvFrom) -}}
{{- fail (printf "secrets.%s.existingSecret, secrets.existingSecret or secrets.%s.values.%s must be set: without it no worker starts" $use $use $variable) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "previews.checkScaling" -}}
{{- $partitions := include "previews.partitions" . | int -}}
{{- $worker := .Values.worker -}}
{{- $scaling := $worker.autoscaling -}}
{{- if eq $scaling.type "none" -}}
{{- if gt (int $worker.replicas) $partitions -}}
{{- fail (printf "worker.replicas is %d: at most settings.TOPIC_PARTITIONS, which is %d; a partition has one reader" (int $worker.replicas) $partitions) -}}
{{- end -}}
{{- else -}}
{{- if gt (int $scaling.maxReplicas) $partitions -}}
{{- fail (printf "worker.autoscaling.maxReplicas is %d: at most settings.TOPIC_PARTITIONS, which is %d; a partition has one reader" (int $scaling.maxReplicas) $partitions) -}}
{{- end -}}
{{- if gt (int (default 0 $scaling.keda.fallback.replicas)) (int $scaling.maxReplicas) -}}
{{- fail (printf "worker.autoscaling.keda.fallback.replicas is %d: at most worker.autoscaling.maxReplicas, which is %d" (int $scaling.keda.fallback.replicas) (int $scaling.maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "bridge" "worker" -}}
{{- $its := (get $.Values $name).autoscaling -}}
{{- if gt (int $its.minReplicas) (int $its.maxReplicas) -}}
{{- fail (printf "%s.autoscaling.minReplicas is %d: at most maxReplicas, which is %d" $name (int $its.minReplicas) (int $its.maxReplicas)) -}}
{{- end -}}
{{- if and (ne $its.type "none") (eq (int $its.minReplicas) 0) -}}
{{- fail (printf "%s.autoscaling.minReplicas is 0: at least 1, for retries, expiries and posts that wait need a worker without any lag of [attachments], and webhooks a bridge" $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.bridge.spool.enabled (ne .Values.bridge.autoscaling.type "none") -}}
{{- fail "bridge.spool.enabled needs bridge.autoscaling.type=none: a bridge that is scaled away would keep what waits in its spool until it is scaled back" -}}
{{- end -}}
{{- end -}}

{{- define "previews.checkNetwork" -}}
{{- $policy := .Values.networkPolicy -}}
{{- if and $policy.enabled (not $policy.egress.extra) -}}
{{- range $server := splitList "," (include "previews.setting" (dict "root" . "component" "" "name" "KAFKA_BOOTSTRAP_SERVERS")) -}}
{{- $port := regexFind ":[0-9]+$" (trim $server) | trimPrefix ":" -}}
{{- if and $port (not (has $port (toStrings $policy.egress.kafkaPorts))) -}}
{{- fail (printf "networkPolicy.egress.kafkaPorts must have %s, the port of %s, or no pod reaches Kafka" $port (trim $server)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "previews.checkGrace" -}}
{{- $given := (get .root.Values .component).terminationGracePeriodSeconds -}}
{{- $needed := include "previews.neededSeconds" . | int -}}
{{- if and (not (kindIs "invalid" $given)) (lt (int (default 0 $given)) $needed) -}}
{{- fail (printf "%s.terminationGracePeriodSeconds is %d: at least %d, what its drain settings need; null computes it" .component (int $given) $needed) -}}
{{- end -}}
{{- end -}}
