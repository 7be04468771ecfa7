{{/*
The servers' and the client agents' configuration.
*/}}

{{/* All addresses of the pod but the link-local ones, each by itself: both families where the pod has both. */}}
{{- define "proconsul.clientAddr" -}}
{{ "{{" }} GetAllInterfaces | exclude "flags" "link-local unicast" | join "address" " " {{ "}}" }}
{{- end }}

{{- define "proconsul.ownConfig" -}}
{{- $ports := dict
    "http" (ternary -1 (int .Values.ports.http) .Values.tls.httpsOnly)
    "https" (ternary (int .Values.ports.https) -1 .Values.tls.enabled)
    "dns" (int .Values.ports.dns)
    "server" (int .Values.ports.server)
    "serf_lan" (int .Values.ports.serfLan)
    "probe" (int .Values.ports.probe) }}
{{- $config := dict
    "server" true
    "bootstrap_expect" (int .Values.replicas)
    "datacenter" .Values.datacenter
    "domain" .Values.domain
    "data_dir" "/proconsul/data"
    "client_addr" (include "proconsul.clientAddr" .)
    "ports" $ports
    "retry_join" (list (include "proconsul.joinName" .))
    "auto_reload_config" true
    "leave_on_terminate" false
    "drain_time" .Values.drainTime
    "recovery_file" "/proconsul/recovery/recovery.json"
    "telemetry" (dict "prometheus_retention_time" "24h" "disable_hostname" true) }}
{{- if .Values.gossip.enabled }}
{{- $_ := set $config "encrypt_keys_file" "/proconsul/gossip/keys" }}
{{- end }}
{{- if .Values.tls.enabled }}
{{- $config = merge $config (dict
    "ca_file" "/proconsul/tls/ca.crt"
    "cert_file" "/proconsul/tls/tls.crt"
    "key_file" "/proconsul/tls/tls.key"
    "verify_incoming_rpc" true
    "verify_outgoing" true
    "verify_server_hostname" true) }}
{{- end }}
{{- $kubernetes := dict }}
{{- if .Values.kubernetes.labelOwnPod }}
{{- $_ := set $kubernetes "label_own_pod" true }}
{{- end }}
{{- if .Values.kubernetes.bootstrapGuard }}
{{- $_ := set $kubernetes "bootstrap_guard" (printf "%s-bootstrap" (include "proconsul.fullname" .)) }}
{{- end }}
{{- if $kubernetes }}
{{- $_ := set $config "kubernetes" $kubernetes }}
{{- end }}
{{- toRawJson $config }}
{{- end }}

{{- define "proconsul.serverConfig" -}}
{{- mergeOverwrite (include "proconsul.ownConfig" . | fromJson) (deepCopy .Values.config) | toRawJson }}
{{- end }}

{{/*
Changes with what needs a restart, and only then. Left out: what a server takes at a reload, and
bootstrap_expect, which means nothing once there is a cluster.
*/}}
{{- define "proconsul.restartHash" -}}
{{- $config := include "proconsul.serverConfig" . | fromJson }}
{{- omit $config "bootstrap_expect" "check" "checks" "http_config" "limits" "log_level" "node_meta" "service" "services" | toRawJson | sha256sum }}
{{- end }}

{{/* No key here that a real Consul does not know: the agents may be its own. */}}
{{- define "proconsul.clientConfig" -}}
{{- $config := dict
    "server" false
    "datacenter" .Values.datacenter
    "domain" .Values.domain
    "data_dir" "/proconsul/data"
    "client_addr" (include "proconsul.clientAddr" .)
    "ports" (dict
      "http" (int .Values.ports.http)
      "https" -1
      "dns" (int .Values.ports.dns)
      "serf_lan" (int .Values.ports.serfLan))
    "retry_join" (list (printf "%s:%d" (include "proconsul.joinName" .) (int .Values.ports.serfLan)))
    "leave_on_terminate" true
    "disable_update_check" true }}
{{- if .Values.tls.enabled }}
{{- $config = merge $config (dict
    "ca_file" "/proconsul/tls/ca.crt"
    "cert_file" "/proconsul/tls/tls.crt"
    "key_file" "/proconsul/tls/tls.key"
    "verify_outgoing" true
    "verify_server_hostname" true) }}
{{- end }}
{{- mergeOverwrite $config (deepCopy .Values.client.config) | toPrettyJson }}
{{- end }}
