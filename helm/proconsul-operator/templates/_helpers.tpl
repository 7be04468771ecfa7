{{/*
Names, labels and images.
*/}}

{{- define "proconsul-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "proconsul-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "proconsul-operator.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "proconsul-operator.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "proconsul-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "proconsul-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{/* Ours go before. */}}
{{- define "proconsul-operator.labels" -}}
{{- $own := include "proconsul-operator.selectorLabels" . | fromYaml }}
{{- $_ := set $own "app.kubernetes.io/part-of" "proconsul" }}
{{- $_ := set $own "app.kubernetes.io/managed-by" .Release.Service }}
{{- $_ := set $own "app.kubernetes.io/version" .Chart.AppVersion }}
{{- $_ := set $own "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_") }}
{{- merge $own (tpl (toYaml .Values.commonLabels) . | fromYaml) | toYaml }}
{{- end }}

{{/* Call with a dict of root, name and optional namespace, annotations, extraLabels. A namespace of "-" is none. */}}
{{- define "proconsul-operator.metadata" -}}
name: {{ .name }}
{{- $namespace := .namespace | default .root.Release.Namespace }}
{{- if ne $namespace "-" }}
namespace: {{ $namespace }}
{{- end }}
labels:
  {{- merge (include "proconsul-operator.labels" .root | fromYaml) (.extraLabels | default dict) | toYaml | nindent 2 }}
{{- $annotations := merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
{{- with $annotations }}
annotations:
  {{- tpl (toYaml .) $.root | nindent 2 }}
{{- end }}
{{- end }}

{{/* Call with a dict of root and image (a block of the values). */}}
{{- define "proconsul-operator.image" -}}
{{- $registry := .root.Values.global.imageRegistry | default .image.registry -}}
{{- if $registry }}{{ $registry }}/{{ end }}{{ .image.repository }}
{{- if .image.digest }}@{{ .image.digest }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "proconsul-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "proconsul-operator.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}
