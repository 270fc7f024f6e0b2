{{/* Names and labels. `component` is gateway, consumer, summary, migrate, proxy or test. */}}

{{- define "siddes.fullname" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride }}
{{- else if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* By these a Deployment, a Service, a budget and a policy find the pods of one component. They never change. */}}
{{- define "siddes.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "siddes.labels" -}}
{{- if .component }}
{{- include "siddes.selector" . }}
{{- else -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}
app.kubernetes.io/part-of: {{ .root.Chart.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The metadata of an object, of a component or of all. `labels` and `annotations` are further ones. */}}
{{- define "siddes.metadata" -}}
name: {{ include "siddes.fullname" .root }}{{ with .component | default .suffix }}-{{ . }}{{ end }}
namespace: {{ .root.Release.Namespace }}
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
