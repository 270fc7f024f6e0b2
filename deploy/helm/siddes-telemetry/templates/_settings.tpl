{{/*
The settings of a component, and the files that hold its secrets.

`uses` says what it needs settings of: kafka, clickhouse, viewers. The same files are named in the environment
(siddes.env) and mounted (siddes.filesVolume), all in one directory: Kubernetes replaces their contents at once, and
processes read them again.
*/}}

{{- define "siddes.filesDirectory" -}}/etc/siddes-telemetry{{- end }}

{{/* kafka.login and clickhouse.login, with what this component overrides. As YAML. */}}
{{- define "siddes.kafkaLogin" -}}
{{- mergeOverwrite (deepCopy .root.Values.kafka.login) (deepCopy (index .root.Values .component).kafka) | toYaml }}
{{- end }}
{{- define "siddes.clickhouseLogin" -}}
{{- mergeOverwrite (deepCopy .root.Values.clickhouse.login) (deepCopy (index .root.Values .component).clickhouse) | toYaml }}
{{- end }}

{{/* The files, as a YAML list: the setting that names each, where it comes from, and its name in the directory. */}}
{{- define "siddes.files" -}}
{{- $v := .root.Values }}
{{- $files := list (dict "setting" "EVENTS" "from" $v.events "path" "events.toml") }}
{{- if has "kafka" .uses }}
{{- $login := include "siddes.kafkaLogin" . | fromYaml }}
{{- $certificate := $login.certificate }}
{{- $files = concat $files (list
    (dict "setting" "KAFKA_CA_FILE" "from" $v.kafka.ca "path" "kafka-ca.pem")
    (dict "setting" "KAFKA_PASSWORD_FILE" "from" $login.password "path" "kafka-password")
    (dict "setting" "KAFKA_CLIENT_SECRET_FILE" "from" $login.clientSecret "path" "kafka-client-secret")
    (dict "setting" "KAFKA_CERT_FILE" "from" (dict "secretName" $certificate.secretName "key" $certificate.certificateKey) "path" "kafka-cert.pem")
    (dict "setting" "KAFKA_KEY_FILE" "from" (dict "secretName" $certificate.secretName "key" $certificate.privateKeyKey) "path" "kafka-key.pem")) }}
{{- if $certificate.privateKeyPasswordKey }}
{{- $files = append $files (dict "setting" "KAFKA_KEY_PASSWORD_FILE" "from" (dict "secretName" $certificate.secretName "key" $certificate.privateKeyPasswordKey) "path" "kafka-key-password") }}
{{- end }}
{{- end }}
{{- if has "clickhouse" .uses }}
{{- $login := include "siddes.clickhouseLogin" . | fromYaml }}
{{- $files = concat $files (list
    (dict "setting" "CLICKHOUSE_CA_FILE" "from" $v.clickhouse.ca "path" "clickhouse-ca.pem")
    (dict "setting" "CLICKHOUSE_PASSWORD_FILE" "from" $login.password "path" "clickhouse-password")) }}
{{- end }}
{{- if has "viewers" .uses }}
{{- $files = concat $files (list
    (dict "setting" "JWT_SECRET_FILE" "from" $v.auth.jwt.secret "path" "jwt-secret")
    (dict "setting" "JWT_KEY_FILE" "from" $v.auth.jwt.publicKey "path" "jwt-key.pem")
    (dict "setting" "VIEWER_KEY_FILE" "from" $v.auth.viewerKey "path" "viewer-key")) }}
{{- end }}
{{- $given := list }}
{{- range $files }}
{{- if or .from.secretName .from.configMapName }}{{ $given = append $given . }}{{ end }}
{{- end }}
{{- toYaml $given }}
{{- end }}

{{/* Settings by name, without their prefix; empty ones are left out. As YAML. */}}
{{- define "siddes.settings" -}}
{{- $v := .root.Values }}
{{- $component := index $v .component }}
{{- $settings := dict "LOG_LEVEL" $v.logLevel "SECRETS_AS_GIVEN" (ternary "1" "" $v.secretsAsGiven) }}
{{- if has "kafka" .uses }}
{{- $login := include "siddes.kafkaLogin" . | fromYaml }}
{{- $settings = merge $settings (dict
    "KAFKA" (join "," $v.kafka.brokers)
    "KAFKA_SECURITY" $v.kafka.security
    "KAFKA_SASL" $v.kafka.sasl.mechanism
    "KAFKA_USER" $login.user
    "KAFKA_TOKEN_URL" $v.kafka.sasl.tokenUrl
    "KAFKA_CLIENT_ID" $login.clientId
    "KAFKA_SCOPE" $v.kafka.sasl.scope) }}
{{- end }}
{{- if has "clickhouse" .uses }}
{{- $login := include "siddes.clickhouseLogin" . | fromYaml }}
{{- $settings = merge $settings (dict
    "CLICKHOUSE" (printf "%s://%s/%s" (ternary "https" "http" $v.clickhouse.tls) (join "," $v.clickhouse.hosts) $v.clickhouse.database)
    "CLICKHOUSE_USER" $login.user
    "RETENTION_DAYS" $v.retentionDays) }}
{{- end }}
{{- if has "viewers" .uses }}
{{- $settings = merge $settings (dict
    "ENABLED" (ternary "1" "0" $v.api.enabled)
    "ORIGINS" (join "," $v.api.origins)
    "RATE" $v.api.rate
    "JWT_JWKS_URL" $v.auth.jwt.jwksUrl
    "JWT_ALGORITHM" $v.auth.jwt.algorithm
    "JWT_ISSUER" $v.auth.jwt.issuer
    "JWT_AUDIENCE" $v.auth.jwt.audience
    "JWT_CLAIM" $v.auth.jwt.claim
    "JWT_LEEWAY" $v.auth.jwt.leewaySeconds
    "SESSION_COOKIE" $v.auth.session.cookie
    "AUTH_URL" $v.auth.session.url
    "AUTH_FIELD" $v.auth.session.field) }}
{{- end }}
{{- if has .component (list "gateway" "consumer" "migrate") }}{{ $_ := set $settings "TOPIC" $v.kafka.topic }}{{ end }}
{{- if has .component (list "gateway" "migrate") }}{{ $_ := set $settings "PARTITIONS" $v.kafka.partitions }}{{ end }}
{{- if eq .component "consumer" }}{{ $_ := set $settings "GROUP" $v.kafka.group }}{{ end }}
{{- if eq .component "migrate" }}
{{- $_ := set $settings "RETENTION_DAYS" $v.retentionDays }}
{{- if has "kafka" .uses }}{{ $_ := set $settings "REPLICATION" $v.kafka.replication }}{{ end }}
{{- if has "clickhouse" .uses }}{{ $_ := set $settings "CLUSTER" $v.clickhouse.cluster }}{{ end }}
{{- end }}
{{- $directory := include "siddes.filesDirectory" . }}
{{- range include "siddes.files" . | fromYamlArray }}
{{- $_ := set $settings .setting (printf "%s/%s" $directory .path) }}
{{- end }}
{{- range $name, $value := $settings }}
{{- if not (or (kindIs "invalid" $value) (eq (toString $value) "")) }}
{{ $name }}: {{ toString $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Kubernetes replaces $(NAME) in a value, and $$ by $. */}}
{{- define "siddes.env" -}}
{{- range $name, $value := include "siddes.settings" . | fromYaml }}
- name: SIDDES_TELEMETRY_{{ $name }}
  value: {{ $value | replace "$" "$$" | quote }}
{{- end }}
{{- with include "siddes.extraEnv" . }}
{{ . }}
{{- end }}
{{- end }}

{{/* Those of all containers and of this component; of one name the component's. */}}
{{- define "siddes.extraEnv" -}}
{{- $own := (index .root.Values .component).extraEnv }}
{{- $names := list }}
{{- range $own }}{{ $names = append $names .name }}{{ end }}
{{- $all := list }}
{{- range .root.Values.extraEnv }}{{ if not (has .name $names) }}{{ $all = append $all . }}{{ end }}{{ end }}
{{- with concat $all $own }}{{ toYaml . }}{{ end }}
{{- end }}

{{- define "siddes.filesVolume" -}}
{{- with include "siddes.files" . | fromYamlArray }}
- name: files
  projected:
    defaultMode: 0440   # the pod's fsGroup may read them
    sources:
      {{- range . }}
      - {{ ternary "secret" "configMap" (not (empty .from.secretName)) }}:
          name: {{ .from.secretName | default .from.configMapName | toYaml }}
          items: [{key: {{ .from.key | quote }}, path: {{ .path }}}]
      {{- end }}
{{- end }}
{{- end }}
