{{/* What the pods of all components have in common. */}}

{{- define "siddes.podMetadata" -}}
{{- $component := index .root.Values .component -}}
labels:
  {{- include "siddes.selector" . | nindent 2 }}
  app.kubernetes.io/part-of: {{ .root.Chart.Name | toYaml }}
  app.kubernetes.io/version: {{ include "siddes.labelValue" .root.Chart.AppVersion | quote }}
  {{- with mergeOverwrite (deepCopy .root.Values.podLabels) $component.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with mergeOverwrite (deepCopy .root.Values.podAnnotations) $component.podAnnotations (.annotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Everything of a pod but its containers and volumes. */}}
{{- define "siddes.podSpec" -}}
{{- $v := .root.Values }}
{{- $component := index $v .component | default dict -}}
automountServiceAccountToken: false
enableServiceLinks: false   # its variables would begin with our settings' prefix
securityContext:
  runAsNonRoot: true
  {{- with ternary $component.podSecurity $v.podSecurity (eq .component "proxy") }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  seccompProfile:
    type: RuntimeDefault
{{- with $v.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.priorityClassName }}
priorityClassName: {{ . | toYaml }}
{{- end }}
{{- with $component.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $component.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "siddes.topologySpread" -}}
{{- with .root.Values.topologySpread.topologyKeys -}}
topologySpreadConstraints:
  {{- range . }}
  - maxSkew: 1
    topologyKey: {{ . | toYaml }}
    whenUnsatisfiable: {{ $.root.Values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "siddes.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]   # of one version: a rollout spreads its own pods
  {{- end }}
{{- end }}
{{- end }}

{{- define "siddes.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{/* A container of our image, without name, arguments, ports and probes. */}}
{{- define "siddes.container" -}}
{{- $v := .root.Values -}}
image: {{ include "siddes.ourImage" .root | toYaml }}
imagePullPolicy: {{ $v.image.pullPolicy }}
{{ include "siddes.containerSecurity" . }}
env:
  {{- include "siddes.env" . | trim | nindent 2 }}
resources:
  {{- toYaml (index $v .component).resources | nindent 2 }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- if include "siddes.filesVolume" . }}
  - name: files
    mountPath: {{ include "siddes.filesDirectory" . }}
    readOnly: true
  {{- end }}
  {{- with $v.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- define "siddes.volumes" -}}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
  {{- with include "siddes.filesVolume" . }}
  {{- . | trim | nindent 2 }}
  {{- end }}
  {{- with .root.Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/* Of the three services. Only a process that hangs is restarted: an outage elsewhere does not change /healthz. */}}
{{- define "siddes.probes" -}}
startupProbe:   # 2 minutes to begin
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: admin}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: admin}
  periodSeconds: 5
  timeoutSeconds: 4   # a check may take 2 s
  failureThreshold: {{ (index .root.Values .component).readinessFailureThreshold }}
{{- end }}
