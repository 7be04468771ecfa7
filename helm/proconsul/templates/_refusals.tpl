{{/*
What the schema cannot see: the running StatefulSet. Its volume claim cannot change, the API server
would say 422 after half of the upgrade was applied; and fewer servers than a quorum of those that
run now is the end of the cluster. `helm template` and GitOps see nothing here.
*/}}

{{- define "proconsul.refuseImmutable" -}}
{{- $name := include "proconsul.fullname" . }}
{{- $running := lookup "apps/v1" "StatefulSet" .Release.Namespace $name }}
{{- if $running }}
{{- $claims := $running.spec.volumeClaimTemplates | default list }}
{{- $size := "" }}
{{- $class := "" }}
{{- if $claims }}
{{- $size = (first $claims).spec.resources.requests.storage }}
{{- $class = (first $claims).spec.storageClassName | default "" }}
{{- end }}
{{- $wanted := ternary .Values.storage.size "" .Values.storage.enabled }}
{{- $wantedClass := ternary (.Values.storage.storageClassName | default $class) $class .Values.storage.enabled }}
{{- if or (ne $size $wanted) (ne $class $wantedClass) }}
{{- fail (printf `
storage cannot change in place: the StatefulSet %[1]s has volumes of size %[2]q and class %[3]q, the values say %[4]q and %[5]q.
To grow the volumes of a running cluster (the storage class must allow expansion), for each of them:
  kubectl -n %[6]s patch pvc data-%[1]s-0 --type merge -p '{"spec":{"resources":{"requests":{"storage":"NEW SIZE"}}}}'
  kubectl -n %[6]s delete statefulset %[1]s --cascade=orphan
  helm upgrade ... (the pods stay up and are adopted)
In mode operator volumes grow by themselves.` $name $size $class $wanted $wantedClass .Release.Namespace) }}
{{- end }}
{{- $members := int $running.spec.replicas }}
{{- $isUnsafe := and (lt (int .Values.replicas) (add (div $members 2) 1)) (not .Values.update.allowQuorumLoss) }}
{{- if and $isUnsafe (not .Values.hooks.enabled) }}
{{- fail (printf `
%[1]d replicas would be fewer than a quorum of the %[2]d that run now: nobody could lead any more. The hook that takes
servers out of raft is off (hooks.enabled). Do it by hand, the highest ordinal first, each when the one before has left
/v1/operator/raft/configuration, down to %[1]d:
  kubectl -n %[4]s exec %[3]s-%[5]d -- python -c "import urllib.request as r; r.urlopen(r.Request('http://127.0.0.1:%[6]d/v1/proconsul/decommission', method='PUT'))"
and then upgrade with --set update.allowQuorumLoss=true. In mode operator the operator does all of it.` (int .Values.replicas) $members $name .Release.Namespace (sub $members 1) (int .Values.ports.http)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* What a schema cannot compare. */}}
{{- define "proconsul.refusePorts" -}}
{{- $numbers := list }}
{{- range .Values.ports }}
{{- $numbers = append $numbers (int .) }}
{{- end }}
{{- if ne (len $numbers) (len (uniq $numbers)) }}
{{- fail (printf "ports: no two may be the same: %s" (toJson .Values.ports)) }}
{{- end }}
{{- end }}
