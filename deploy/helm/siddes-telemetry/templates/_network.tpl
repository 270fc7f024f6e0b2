{{/* Who may connect to the pods of a component. Without any rule, nobody. */}}
{{- define "siddes.ingress" -}}
{{- $policy := .root.Values.networkPolicy }}
{{- if ne .component "consumer" }}
- ports:
    - {port: http}
  {{- with $policy.publicFrom }}
  from:
    {{- toYaml . | nindent 4 }}
    {{- range without (list "proxy" "test") $.component }}
    - podSelector:
        matchLabels:
          {{- include "siddes.selector" (dict "root" $.root "component" .) | nindent 10 }}
    {{- end }}
  {{- end }}
{{- end }}
{{- if ne .component "proxy" }}
{{- with $policy.adminFrom }}
- ports:
    - {port: admin}
  from:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Where the pods of a component may connect to, by what they use. */}}
{{- define "siddes.egress" -}}
{{- $v := .root.Values }}
{{- $egress := $v.networkPolicy.egress -}}
- to:
    {{- toYaml $egress.dns.to | nindent 4 }}
  ports:
    {{- range $egress.dns.ports }}
    - {port: {{ . }}, protocol: UDP}
    - {port: {{ . }}, protocol: TCP}
    {{- end }}
{{- if has .component (list "proxy" "test") }}
{{- range concat (list "gateway" "summary") (ternary (list "proxy") list (and (eq .component "test") $v.proxy.enabled)) }}
- to:
    - podSelector:
        matchLabels:
          {{- include "siddes.selector" (dict "root" $.root "component" .) | nindent 10 }}
  ports:
    - {port: http}
{{- end }}
{{- end }}
{{- if has "kafka" .uses }}
{{ include "siddes.egressRule" (dict "rule" $egress.kafka "addresses" $v.kafka.brokers) }}
{{- end }}
{{- if has "clickhouse" .uses }}
{{ include "siddes.egressRule" (dict "rule" $egress.clickhouse "addresses" $v.clickhouse.hosts) }}
{{- end }}
{{- $urls := list }}
{{- if has "viewers" .uses }}{{ $urls = list $v.auth.jwt.jwksUrl $v.auth.session.url }}{{ end }}
{{- if has "kafka" .uses }}{{ $urls = append $urls $v.kafka.sasl.tokenUrl }}{{ end }}
{{- with compact $urls }}
{{- $addresses := list }}
{{- range . }}{{ $addresses = append $addresses (include "siddes.addressOfURL" .) }}{{ end }}
{{ include "siddes.egressRule" (dict "rule" $egress.urls "addresses" $addresses) }}
{{- end }}
{{- end }}

{{/* host:port of a URL. */}}
{{- define "siddes.addressOfURL" -}}
{{- $authority := regexReplaceAll "^https?://([^/?#]*).*$" . "${1}" }}
{{- if regexMatch ":[0-9]+$" $authority }}{{ $authority }}
{{- else }}{{ $authority }}:{{ ternary 443 80 (hasPrefix "https:" .) }}
{{- end }}
{{- end }}

{{/* One rule. Without ports of its own it has those of the addresses. */}}
{{- define "siddes.egressRule" -}}
{{- $ports := .rule.ports }}
{{- if not $ports }}
{{- range .addresses }}{{ $ports = append $ports (regexFind "[0-9]+$" . | int) }}{{ end }}
{{- end -}}
- ports:
    {{- range uniq $ports }}
    - {port: {{ . }}}
    {{- end }}
  {{- with .rule.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
