{{/*
What a schema cannot say: each problem with its remedy, all at once. The processes check the same settings when they
start; here it is said before anything is installed. gateway.yaml includes this.
*/}}

{{- define "siddes.checks" -}}
{{- $v := .Values }}
{{- $problems := list }}

{{- if not (regexMatch "^[a-z][a-z0-9-]*$" (include "siddes.fullname" .)) }}
{{- $problems = append $problems (printf "the release's name: %s cannot begin the name of a Service, which begins with a letter and has no dot; choose another, or set fullnameOverride" .Release.Name) }}
{{- end }}
{{- range $file, $part := dict "nginx.conf" (list $v.proxy.enabled "proxy_pass") "rules.yaml" (list $v.prometheusRule.enabled "groups:") "siddes-telemetry.json" (list $v.dashboard.enabled "panels") }}
{{- if and (first $part) (not (contains (last $part) ($.Files.Get (printf "files/%s" $file)))) }}
{{- $problems = append $problems (printf "files/%s of the chart: is a link that was not followed, by Flux for example; install what `helm package` makes" $file) }}
{{- end }}
{{- end }}

{{- if not $v.image.repository }}
{{- $problems = append $problems "image.repository: must be set: `make image` builds the image; push it to a registry of yours and name it here" }}
{{- end }}
{{- range $name, $image := dict "image" $v.image }}
{{- if and $image.tag $image.digest }}
{{- $problems = append $problems (printf "%s: has a tag and a digest; set one of them" $name) }}
{{- end }}
{{- end }}

{{- if not $v.kafka.brokers }}
{{- $problems = append $problems "kafka.brokers: must name the brokers, such as [kafka-1:9092, kafka-2:9092]" }}
{{- end }}
{{- if not $v.clickhouse.hosts }}
{{- $problems = append $problems "clickhouse.hosts: must name the servers, such as [clickhouse:8123]" }}
{{- end }}

{{- $jwt := $v.auth.jwt }}
{{- $publicKey := or $jwt.publicKey.secretName $jwt.publicKey.configMapName }}
{{- if not (or $jwt.secret.secretName $publicKey $jwt.jwksUrl $v.auth.session.url) }}
{{- $problems = append $problems "auth: no viewer could be authenticated: set auth.jwt.secret, auth.jwt.publicKey, auth.jwt.jwksUrl or auth.session.url" }}
{{- end }}
{{- range $name, $url := dict "auth.jwt.jwksUrl" $jwt.jwksUrl "auth.session.url" $v.auth.session.url "kafka.sasl.tokenUrl" $v.kafka.sasl.tokenUrl }}
{{- if regexMatch "^https?://[^/?#]*@" $url }}
{{- $problems = append $problems (printf "%s: has a user or a password, which everybody could read in the manifest; remove it" $name) }}
{{- end }}
{{- end }}
{{- if and $publicKey $jwt.jwksUrl }}
{{- $problems = append $problems "auth.jwt: has publicKey and jwksUrl; set one of them" }}
{{- end }}
{{- if and $jwt.algorithm (eq (eq $jwt.algorithm "HS256") (not (empty (or $publicKey $jwt.jwksUrl)))) }}
{{- $problems = append $problems "auth.jwt.algorithm: is that of publicKey or jwksUrl; a secret is always for HS256: remove it, or set one of the two" }}
{{- end }}

{{- range $name, $ref := dict "kafka.ca" $v.kafka.ca "clickhouse.ca" $v.clickhouse.ca "auth.jwt.publicKey" $jwt.publicKey }}
{{- if and $ref.secretName $ref.configMapName }}
{{- $problems = append $problems (printf "%s: has a secretName and a configMapName; set one of them" $name) }}
{{- end }}
{{- end }}
{{- if and (or $v.clickhouse.ca.secretName $v.clickhouse.ca.configMapName) (not $v.clickhouse.tls) }}
{{- $problems = append $problems "clickhouse.ca: needs clickhouse.tls; set that or remove this" }}
{{- end }}

{{- $tls := has $v.kafka.security (list "ssl" "sasl_ssl") }}
{{- $sasl := has $v.kafka.security (list "sasl_plaintext" "sasl_ssl") }}
{{- $mechanism := $v.kafka.sasl.mechanism }}
{{- $tokens := eq $mechanism "oauthbearer" }}
{{- if and (or $v.kafka.ca.secretName $v.kafka.ca.configMapName) (not $tls) }}
{{- $problems = append $problems "kafka.ca: needs kafka.security ssl or sasl_ssl; set that or remove this" }}
{{- end }}
{{- if and $sasl (not $mechanism) }}
{{- $problems = append $problems (printf "kafka.sasl.mechanism: must be set for kafka.security %s" $v.kafka.security) }}
{{- end }}
{{- if and $mechanism (not $sasl) }}
{{- $problems = append $problems "kafka.sasl.mechanism: needs kafka.security sasl_ssl (or sasl_plaintext)" }}
{{- end }}
{{- if and $tokens (not $v.kafka.sasl.tokenUrl) }}
{{- $problems = append $problems "kafka.sasl.tokenUrl: must be set for the mechanism oauthbearer" }}
{{- end }}
{{- if and (not $tokens) (or $v.kafka.sasl.tokenUrl $v.kafka.sasl.scope) }}
{{- $problems = append $problems "kafka.sasl: tokenUrl and scope need the mechanism oauthbearer; set that or remove them" }}
{{- end }}
{{- range concat (list "gateway" "consumer") (ternary (list "migrate") list (and $v.migrate.enabled (ne $v.migrate.only "store"))) }}
{{- $login := include "siddes.kafkaLogin" (dict "root" $ "component" .) | fromYaml }}
{{- $of := printf "kafka.login (of %s)" . }}
{{- if and $login.certificate.secretName (not $tls) }}
{{- $problems = append $problems (printf "%s: a certificate needs kafka.security ssl or sasl_ssl; set that or remove it" $of) }}
{{- end }}
{{- if and $login.certificate.privateKeyPasswordKey (not $login.certificate.secretName) }}
{{- $problems = append $problems (printf "%s: certificate.privateKeyPasswordKey is of no use without certificate.secretName" $of) }}
{{- end }}
{{- if and $mechanism (not $tokens) (not (and $login.user $login.password.secretName)) }}
{{- $problems = append $problems (printf "%s: user and password.secretName must be set for the mechanism %s" $of $mechanism) }}
{{- end }}
{{- if and (or (not $mechanism) $tokens) (or $login.user $login.password.secretName) }}
{{- $problems = append $problems (printf "%s: user and password need the mechanism plain, scram-sha-256 or scram-sha-512" $of) }}
{{- end }}
{{- if and $tokens (not (and $login.clientId $login.clientSecret.secretName)) }}
{{- $problems = append $problems (printf "%s: clientId and clientSecret.secretName must be set for the mechanism oauthbearer" $of) }}
{{- end }}
{{- if and (not $tokens) (or $login.clientId $login.clientSecret.secretName) }}
{{- $problems = append $problems (printf "%s: clientId and clientSecret need the mechanism oauthbearer" $of) }}
{{- end }}
{{- end }}

{{- if gt (int $v.consumer.replicas) (int $v.kafka.partitions) }}
{{- $problems = append $problems (printf "consumer.replicas: %d consumers are more than the %d partitions: the others would have nothing to do" (int $v.consumer.replicas) (int $v.kafka.partitions)) }}
{{- end }}
{{- with $v.gateway.autoscaling }}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) }}
{{- $problems = append $problems "gateway.autoscaling: minReplicas is larger than maxReplicas" }}
{{- end }}
{{- end }}

{{- if and $v.ingress.enabled (not $v.proxy.enabled) }}
{{- $problems = append $problems "ingress.enabled: needs proxy.enabled: an Ingress cannot send POST and GET of one path to two services" }}
{{- end }}
{{- if and $v.ingress.enabled (not $v.ingress.hosts) }}
{{- $problems = append $problems "ingress.hosts: must name the app's host, such as [app.example]" }}
{{- end }}
{{- if and $v.httpRoute.enabled (not $v.httpRoute.parentRefs) }}
{{- $problems = append $problems "httpRoute.parentRefs: must name a Gateway, such as [{name: public, namespace: infrastructure}]" }}
{{- end }}
{{- if and (not $v.serviceAccount.create) (not $v.serviceAccount.name) }}
{{- $problems = append $problems "serviceAccount: set create, or the name of one that is there" }}
{{- end }}

{{- range $component, $uses := dict "gateway" (list "kafka" "viewers") "consumer" (list "kafka" "clickhouse") "summary" (list "clickhouse" "viewers") "migrate" (list "kafka" "clickhouse") }}
{{- $settings := include "siddes.settings" (dict "root" $ "component" $component "uses" $uses) | fromYaml }}
{{- range concat $v.extraEnv (index $v $component).extraEnv }}
{{- $name := upper .name }}{{/* as the services read it */}}
{{- $setting := trimPrefix "SIDDES_TELEMETRY_" $name }}
{{- if and (hasPrefix "SIDDES_TELEMETRY_" $name) (or (hasKey $settings $setting) (hasKey $settings (printf "%s_FILE" $setting))) }}
{{- $problems = append $problems (printf "extraEnv (of %s): %s is set by other values" $component .name) }}
{{- end }}
{{- if and (hasKey . "value") (regexMatch "^SIDDES_TELEMETRY_(.*(SECRET|PASSWORD|VIEWER_KEY)|CLICKHOUSE)$" $name) }}
{{- $problems = append $problems (printf "extraEnv (of %s): %s is a secret; it comes from a Secret, never from a value" $component .name) }}
{{- end }}
{{- end }}
{{- end }}

{{- with $problems | uniq }}
{{- fail (printf "\n\n%d of the values cannot be:\n- %s\n" (len .) (join "\n- " .)) }}
{{- end }}
{{- end }}
