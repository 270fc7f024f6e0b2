{{/*
Names and labels. `component` is gateway, consumer, summary, migrate, proxy or test. `toYaml` quotes a name that YAML would
take for a number or a truth value.
*/}}

{{- define "siddes.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* By these a Deployment, a Service, a budget and a policy find the pods of one component. They never change. */}}
{{- define "siddes.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name | toYaml }}
app.kubernetes.io/instance: {{ .root.Release.Name | toYaml }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "siddes.labels" -}}
{{- if .component }}
{{- include "siddes.selector" . }}
{{- else -}}
app.kubernetes.io/name: {{ .root.Chart.Name | toYaml }}
app.kubernetes.io/instance: {{ .root.Release.Name | toYaml }}
{{- end }}
app.kubernetes.io/part-of: {{ .root.Chart.Name | toYaml }}
app.kubernetes.io/version: {{ include "siddes.labelValue" .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ include "siddes.labelValue" (printf "%s-%s" .root.Chart.Name .root.Chart.Version) }}
{{- end }}

{{/* The text of a label, whose characters and length Kubernetes limits: a build of a version (1.0+build) has neither. */}}
{{- define "siddes.labelValue" -}}
{{- . | replace "+" "_" | trunc 63 | trimAll "-_." }}
{{- end }}

{{/* The metadata of an object, of a component or of all. `labels` and `annotations` are further ones. */}}
{{- define "siddes.metadata" -}}
{{- $suffix := .component | default .suffix -}}
name: {{ printf "%s%s" (include "siddes.fullname" .root) (ternary (printf "-%s" $suffix) "" (not (empty $suffix))) | toYaml }}
namespace: {{ .root.Release.Namespace | toYaml }}
labels:
  {{- include "siddes.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "siddes.image" -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag }}{{ end }}
{{- end }}

{{- define "siddes.ourImage" -}}
{{- with .Values.image }}
{{- include "siddes.image" (dict "repository" .repository "digest" .digest "tag" (.tag | default $.Chart.AppVersion)) }}
{{- end }}
{{- end }}

{{- define "siddes.serviceAccount" -}}
{{- if .Values.serviceAccount.name }}{{ .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create }}{{ include "siddes.fullname" . }}
{{- else }}default
{{- end }}
{{- end }}
