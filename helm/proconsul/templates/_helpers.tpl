{{/*
Names, labels, the image and the pieces that several templates share.
Selectors are name, instance and component only: they can never change, and a version would.
*/}}

{{- define "proconsul.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "proconsul.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "proconsul.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "proconsul.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Call with a dict of root and component. */}}
{{- define "proconsul.selectorLabels" -}}
app.kubernetes.io/name: {{ include "proconsul.name" .root }}
app.kubernetes.io/instance: {{ include "proconsul.fullname" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Call with a dict of root, component and optional service (which one it is) and extraLabels. Ours go before. */}}
{{- define "proconsul.labels" -}}
{{- $own := include "proconsul.selectorLabels" . | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/part-of" "proconsul" }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .root.Release.Service }}
{{- $_ := set $own "app.kubernetes.io/version" .root.Chart.AppVersion }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_") }}
{{- with .service }}
{{- $_ := set $own "proconsul.io/service" . }}
{{- end }}
{{- merge $own (.extraLabels | default dict) (tpl (toYaml .root.Values.commonLabels) .root | fromYaml) | toYaml }}
{{- end }}

{{/* What a pod carries: no chart and no version, or each new chart would restart every member. */}}
{{- define "proconsul.podLabels" -}}
{{- $own := printf "%s\napp.kubernetes.io/part-of: proconsul" (include "proconsul.selectorLabels" .) | fromYaml }}
{{- merge $own (tpl (toYaml .root.Values.commonLabels) .root | fromYaml) | toYaml }}
{{- end }}

{{/* Call with a dict of root, name, component and optional annotations, extraLabels and service (which one it is). */}}
{{- define "proconsul.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "proconsul.labels" . | nindent 2 }}
{{- $annotations := merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
{{- with $annotations }}
annotations:
  {{- tpl (toYaml .) $.root | nindent 2 }}
{{- end }}
{{- end }}

{{/* Call with a dict of root and image (a block of the values). */}}
{{- define "proconsul.image" -}}
{{- $registry := .root.Values.global.imageRegistry | default .image.registry -}}
{{- if $registry }}{{ $registry }}/{{ end }}{{ .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{/* Call with a dict of root and image. */}}
{{- define "proconsul.pullSecrets" -}}
{{- $names := concat .root.Values.global.imagePullSecrets .image.pullSecrets | uniq -}}
{{- if $names -}}
imagePullSecrets:
  {{- range $names }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "proconsul.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "proconsul.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "proconsul.talksToKubernetes" -}}
{{- if or .Values.kubernetes.labelOwnPod .Values.kubernetes.bootstrapGuard }}true{{ end }}
{{- end }}

{{- define "proconsul.gossipSecretName" -}}
{{- .Values.gossip.secretName | default (printf "%s-gossip" (include "proconsul.fullname" .)) }}
{{- end }}

{{/* What the hook makes once, and no upgrade, rollback or new installation touches again. */}}
{{- define "proconsul.generatesGossipKey" -}}
{{- if and (eq .Values.mode "standalone") .Values.hooks.enabled .Values.gossip.enabled (not .Values.gossip.secretName) (not .Values.gossip.key) }}true{{ end }}
{{- end }}

{{- define "proconsul.generatesGuard" -}}
{{- if and (eq .Values.mode "standalone") .Values.hooks.enabled .Values.kubernetes.bootstrapGuard }}true{{ end }}
{{- end }}

{{- define "proconsul.tlsSecretName" -}}
{{- .Values.tls.secretName | default (printf "%s-tls" (include "proconsul.fullname" .)) }}
{{- end }}

{{/* The servers' address for agents and for each other. */}}
{{- define "proconsul.joinName" -}}
{{- printf "%s-headless.%s.svc" (include "proconsul.fullname" .) .Release.Namespace }}
{{- end }}

{{/* The base URL of the API at the client Service, for pods of this release. */}}
{{- define "proconsul.apiUrl" -}}
{{- $host := printf "%s.%s.svc" (include "proconsul.fullname" .) .Release.Namespace -}}
{{- if .Values.tls.enabled -}}
https://{{ $host }}:{{ .Values.ports.https }}
{{- else -}}
http://{{ $host }}:{{ .Values.ports.http }}
{{- end }}
{{- end }}

{{- define "proconsul.ipFamilies" -}}
ipFamilyPolicy: {{ .Values.service.ipFamilyPolicy }}
{{- with .Values.service.ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Which API is served for clients; call with the root. */}}
{{- define "proconsul.servicePorts" -}}
{{- if not .Values.tls.httpsOnly }}
- name: http
  port: {{ .Values.ports.http }}
  targetPort: http
  protocol: TCP
{{- end }}
{{- if .Values.tls.enabled }}
- name: https
  port: {{ .Values.ports.https }}
  targetPort: https
  protocol: TCP
{{- end }}
- name: dns-tcp
  port: {{ .Values.ports.dns }}
  targetPort: dns-tcp
  protocol: TCP
- name: dns-udp
  port: {{ .Values.ports.dns }}
  targetPort: dns-udp
  protocol: UDP
{{- end }}
