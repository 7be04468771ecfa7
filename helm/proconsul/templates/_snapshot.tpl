{{/*
The pod of a snapshot Job. The operator makes the same one: operator/proconsul_operator/actions/job_pods.py.
*/}}

{{- define "proconsul.snapshotAccount" -}}
{{- $own := .Values.snapshot.serviceAccount }}
{{- if $own.create }}
{{- $own.name | default (printf "%s-snapshot" (include "proconsul.fullname" .)) }}
{{- else }}
{{- $own.name | default "default" }}
{{- end }}
{{- end }}

{{- define "proconsul.retention" -}}
{{- $rules := dict }}
{{- with int .Values.snapshot.retention.keepLast }}
{{- $_ := set $rules "keepLast" . }}
{{- end }}
{{- with .Values.snapshot.retention.maxAge }}
{{- $_ := set $rules "maxAge" . }}
{{- end }}
{{- toRawJson $rules }}
{{- end }}

{{/* What the program is told: a SnapshotOrder. There is no record where there is no operator. */}}
{{- define "proconsul.snapshotOrder" -}}
{{- $url := include "proconsul.apiUrl" . }}
{{- if and (eq .Values.snapshot.consistency "Stale") .Values.service.staleService }}
{{- $name := include "proconsul.fullname" . }}
{{- $url = $url | replace (printf "//%s." $name) (printf "//%s-stale." $name) }}
{{- end }}
{{- $order := dict
    "cluster" (include "proconsul.fullname" .)
    "namespace" .Release.Namespace
    "url" $url
    "destination" .Values.snapshot.destination
    "consistency" .Values.snapshot.consistency
    "verify" .Values.snapshot.verify }}
{{- with include "proconsul.retention" . | fromJson }}
{{- $_ := set $order "retention" . }}
{{- end }}
{{- toRawJson $order }}
{{- end }}

{{- define "proconsul.snapshotPod" -}}
{{- $s3 := .Values.snapshot.destination.s3 | default dict }}
{{- $pvc := .Values.snapshot.destination.pvc | default dict }}
{{- $http := .Values.snapshot.destination.http | default dict }}
{{- $storeCa := (merge (dict) $s3 $http).caSecretRef }}
{{- $keys := $s3.credentialsSecretRef }}
restartPolicy: Never
serviceAccountName: {{ include "proconsul.snapshotAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with include "proconsul.pullSecrets" (dict "root" . "image" .Values.image) }}
{{ . }}
{{- end }}
{{- if eq .Values.snapshot.verify "Restore" }}
# A server on loopback that goes on beside the program, and ends with it.
initContainers:
  - name: throw-away
    image: {{ include "proconsul.image" (dict "root" . "image" .Values.image) }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    restartPolicy: Always
    args: [agent, -server, -bootstrap-expect=1, -node=throw-away, -bind=127.0.0.1, -client=127.0.0.1, -data-dir=/proconsul/data]
    securityContext:
      {{- toYaml .Values.containerSecurityContext | nindent 6 }}
    resources:
      requests: {cpu: 50m, memory: 256Mi}
    volumeMounts:
      - {name: throw-away, mountPath: /proconsul/data}
      - {name: tmp, mountPath: /tmp}
{{- end }}
containers:
  - name: job
    image: {{ include "proconsul.image" (dict "root" . "image" .Values.snapshot.image) }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args: [snapshot]
    env:
      - name: PROCONSUL_ORDER
        value: {{ include "proconsul.snapshotOrder" . | quote }}
      - name: PROCONSUL_RUN
        valueFrom:
          fieldRef:
            fieldPath: metadata.labels['batch.kubernetes.io/controller-uid']
      - {name: HOME, value: /tmp}
      - {name: PYTHONUNBUFFERED, value: "1"}
      {{- with $keys }}
      {{- range tuple "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
      - name: {{ . }}
        valueFrom:
          secretKeyRef: {name: {{ $keys.name }}, key: {{ . }}}
      {{- end }}
      - name: AWS_SESSION_TOKEN
        valueFrom:
          secretKeyRef: {name: {{ $keys.name }}, key: AWS_SESSION_TOKEN, optional: true}
      {{- end }}
      {{- with $http.authorizationSecretRef }}
      - name: PROCONSUL_STORE_AUTHORIZATION
        valueFrom:
          secretKeyRef: {name: {{ .name }}, key: {{ .key }}}
      {{- end }}
    securityContext:
      {{- toYaml .Values.containerSecurityContext | nindent 6 }}
    resources:
      requests: {cpu: 50m, memory: 128Mi}
    volumeMounts:
      - {name: work, mountPath: /proconsul/work}
      - {name: tmp, mountPath: /tmp}
      {{- if .Values.tls.enabled }}
      - {name: server-ca, mountPath: /proconsul/server-ca, readOnly: true}
      {{- end }}
      {{- if $storeCa }}
      - {name: store-ca, mountPath: /proconsul/store-ca, readOnly: true}
      {{- end }}
      {{- if $pvc }}
      - {name: store, mountPath: /proconsul/store}
      {{- end }}
volumes:
  - name: work
    emptyDir: {}
  - name: tmp
    emptyDir: {}
  {{- if .Values.tls.enabled }}
  - name: server-ca
    secret:
      secretName: {{ include "proconsul.tlsSecretName" . }}
      items:
        - {key: ca.crt, path: ca.crt}
      defaultMode: 0440
  {{- end }}
  {{- with $storeCa }}
  - name: store-ca
    secret:
      secretName: {{ .name }}
      items:
        - {key: {{ .key }}, path: ca.crt}
      defaultMode: 0440
  {{- end }}
  {{- with $pvc.claimName }}
  - name: store
    persistentVolumeClaim:
      claimName: {{ . }}
  {{- end }}
  {{- if eq .Values.snapshot.verify "Restore" }}
  - name: throw-away
    emptyDir: {}
  {{- end }}
{{- end }}
