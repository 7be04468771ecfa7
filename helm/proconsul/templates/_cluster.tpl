{{/*
Mode operator: the values as the spec of a ProconsulCluster. What is empty is left out, so that the
custom resource's own defaults hold.
*/}}

{{- define "proconsul.clusterSpec" -}}
{{- $registry := .Values.global.imageRegistry | default .Values.image.registry }}
replicas: {{ .Values.replicas }}
image:
  repository: {{ if $registry }}{{ $registry }}/{{ end }}{{ .Values.image.repository }}
  tag: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
  {{- with .Values.image.digest }}
  digest: {{ . }}
  {{- end }}
  pullPolicy: {{ .Values.image.pullPolicy }}
  {{- with concat .Values.global.imagePullSecrets .Values.image.pullSecrets | uniq }}
  pullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
datacenter: {{ .Values.datacenter }}
domain: {{ .Values.domain }}
{{- if .Values.storage.enabled }}
storage:
  size: {{ .Values.storage.size }}
  {{- with .Values.storage.storageClassName }}
  storageClassName: {{ . }}
  {{- end }}
  onDelete: {{ .Values.storage.onDelete }}
  onScaleIn: {{ .Values.storage.onScaleIn }}
{{- end }}
allowEphemeral: {{ .Values.allowEphemeral }}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.config }}
config:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .Values.extraConfigSecretRef.name }}
extraConfigSecretRef:
  {{- toYaml .Values.extraConfigSecretRef | nindent 2 }}
{{- end }}
ports:
  {{- toYaml .Values.ports | nindent 2 }}
{{- if .Values.tls.enabled }}
tls:
  enabled: true
  httpsOnly: {{ .Values.tls.httpsOnly }}
  {{- with .Values.tls.secretName }}
  secretName: {{ . }}
  {{- end }}
  {{- if .Values.tls.issuerRef.name }}
  issuerRef:
    name: {{ .Values.tls.issuerRef.name }}
    kind: {{ .Values.tls.issuerRef.kind }}
    group: {{ .Values.tls.issuerRef.group }}
  {{- end }}
  renewBefore: {{ .Values.tls.renewBefore }}
{{- end }}
{{- if .Values.gossip.enabled }}
gossip:
  {{- if .Values.gossip.secretName }}
  secretName: {{ .Values.gossip.secretName }}
  {{- else }} {}
  {{- end }}
{{- end }}
service:
  type: {{ .Values.service.type }}
  {{- with .Values.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  leaderService: {{ .Values.service.leaderService }}
  staleService: {{ .Values.service.staleService }}
  {{- include "proconsul.ipFamilies" . | nindent 2 }}
podDisruptionBudget:
  {{- toYaml .Values.podDisruptionBudget | nindent 2 }}
{{- $template := dict }}
{{- range $key, $value := .Values.podTemplate }}
{{- if or $value (and (kindIs "slice" $value) (eq $key "topologySpreadConstraints")) }}
{{- $_ := set $template $key $value }}
{{- end }}
{{- end }}
{{- with $template }}
podTemplate:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
monitoring:
  serviceMonitor: {{ .Values.monitoring.serviceMonitor.enabled }}
  prometheusRule: {{ .Values.monitoring.prometheusRule.enabled }}
  dashboards: {{ .Values.monitoring.dashboards.enabled }}
networkPolicy:
  enabled: {{ .Values.networkPolicy.enabled }}
{{- end }}
