{{/*
The server's pod. The operator renders the same one: operator/proconsul_operator/specs/pod.py.
*/}}

{{- define "proconsul.podSpec" -}}
{{- $name := include "proconsul.fullname" . }}
{{- $pod := .Values.podTemplate }}
serviceAccountName: {{ include "proconsul.serviceAccountName" . }}
automountServiceAccountToken: {{ ternary true false (eq (include "proconsul.talksToKubernetes" .) "true") }}
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with include "proconsul.pullSecrets" (dict "root" . "image" .Values.image) }}
{{ . }}
{{- end }}
{{- with $pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.affinity }}
affinity:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- if kindIs "slice" $pod.topologySpreadConstraints }}
{{- with $pod.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- tpl (toYaml .) $ | nindent 2 }}
{{- end }}
{{- else }}
topologySpreadConstraints:
  {{- range $key, $when := dict "kubernetes.io/hostname" (ternary "DoNotSchedule" "ScheduleAnyway" (eq .Values.podAntiAffinity "required")) "topology.kubernetes.io/zone" "ScheduleAnyway" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $when }}
    {{- /* Without it a control plane on which no server may run counts as an empty node. */}}
    nodeTaintsPolicy: Honor
    labelSelector:
      matchLabels:
        {{- include "proconsul.selectorLabels" (dict "root" $ "component" "server") | nindent 8 }}
  {{- end }}
{{- end }}
containers:
  - name: server
    image: {{ include "proconsul.image" (dict "root" . "image" .Values.image) }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    args:
      - agent
      - -config-file=/proconsul/config/server.json
      {{- if .Values.extraConfigSecretRef.name }}
      - -config-file=/proconsul/extra-config/{{ .Values.extraConfigSecretRef.key }}
      {{- end }}
      - -node=$(POD_NAME)
      - -bind=$(POD_IP)
      {{- if .Values.gossip.enabled }}
      - -encrypt=$(GOSSIP_KEY)
      {{- end }}
    env:
      - name: POD_NAME
        valueFrom:
          fieldRef:
            fieldPath: metadata.name
      - name: POD_NAMESPACE
        valueFrom:
          fieldRef:
            fieldPath: metadata.namespace
      - name: POD_IP
        valueFrom:
          fieldRef:
            fieldPath: status.podIP
      {{- if .Values.gossip.enabled }}
      - name: GOSSIP_KEY
        valueFrom:
          secretKeyRef:
            name: {{ include "proconsul.gossipSecretName" . }}
            key: {{ .Values.gossip.secretKey }}
      {{- end }}
      {{- with $pod.extraEnv }}
      {{- tpl (toYaml .) $ | nindent 6 }}
      {{- end }}
    ports:
      {{- if not .Values.tls.httpsOnly }}
      - {name: http, containerPort: {{ .Values.ports.http }}, protocol: TCP}
      {{- end }}
      {{- if .Values.tls.enabled }}
      - {name: https, containerPort: {{ .Values.ports.https }}, protocol: TCP}
      {{- end }}
      - {name: server, containerPort: {{ .Values.ports.server }}, protocol: TCP}
      - {name: serf-lan-tcp, containerPort: {{ .Values.ports.serfLan }}, protocol: TCP}
      - {name: serf-lan-udp, containerPort: {{ .Values.ports.serfLan }}, protocol: UDP}
      - {name: dns-tcp, containerPort: {{ .Values.ports.dns }}, protocol: TCP}
      - {name: dns-udp, containerPort: {{ .Values.ports.dns }}, protocol: UDP}
      - {name: probe, containerPort: {{ .Values.ports.probe }}, protocol: TCP}
    startupProbe:
      httpGet: {path: /v1/proconsul/startz, port: probe}
      periodSeconds: 5
      timeoutSeconds: 3
      failureThreshold: {{ .Values.startupProbe.failureThreshold }}
    readinessProbe:
      httpGet: {path: /v1/proconsul/readyz, port: probe}
      periodSeconds: 3
      timeoutSeconds: 3
      failureThreshold: 2
    # Never about a leader or a quorum: who restarts survivors makes a loss of quorum worse.
    livenessProbe:
      httpGet: {path: /v1/proconsul/livez, port: probe}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 6
    {{- if .Values.preStopSleepSeconds }}
    lifecycle:
      preStop:
        sleep:
          seconds: {{ .Values.preStopSleepSeconds }}
    {{- end }}
    {{- with .Values.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      {{- toYaml .Values.containerSecurityContext | nindent 6 }}
    volumeMounts:
      - {name: data, mountPath: /proconsul/data}
      - {name: config, mountPath: /proconsul/config, readOnly: true}
      - {name: recovery, mountPath: /proconsul/recovery, readOnly: true}
      - {name: tmp, mountPath: /tmp}
      {{- if .Values.gossip.enabled }}
      - {name: gossip, mountPath: /proconsul/gossip, readOnly: true}
      {{- end }}
      {{- if .Values.tls.enabled }}
      - {name: tls, mountPath: /proconsul/tls, readOnly: true}
      {{- end }}
      {{- if .Values.extraConfigSecretRef.name }}
      - {name: extra-config, mountPath: /proconsul/extra-config, readOnly: true}
      {{- end }}
      {{- with $pod.extraVolumeMounts }}
      {{- tpl (toYaml .) $ | nindent 6 }}
      {{- end }}
volumes:
  {{- if not .Values.storage.enabled }}
  - name: data
    emptyDir: {}
  {{- end }}
  - name: config
    configMap:
      name: {{ $name }}-config
  # Made when a cluster is to be recovered; see recovery in the values.
  - name: recovery
    configMap:
      name: {{ $name }}-recovery
      optional: true
  - name: tmp
    emptyDir: {}
  {{- if .Values.gossip.enabled }}
  - name: gossip
    secret:
      secretName: {{ include "proconsul.gossipSecretName" . }}
      defaultMode: 0440
  {{- end }}
  {{- if .Values.tls.enabled }}
  - name: tls
    secret:
      secretName: {{ include "proconsul.tlsSecretName" . }}
      defaultMode: 0440
  {{- end }}
  {{- if .Values.extraConfigSecretRef.name }}
  - name: extra-config
    secret:
      secretName: {{ .Values.extraConfigSecretRef.name }}
      defaultMode: 0440
  {{- end }}
  {{- with $pod.extraVolumes }}
  {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
{{- end }}
