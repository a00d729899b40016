{{/* What the pods of campaignctl's image share: (dict "root" $ "name" "rebuild" "values" ...) */}}

{{- define "engine.tool.account" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "engine.name" . }}
  labels: {{- include "engine.labels" . | nindent 4 }}
automountServiceAccountToken: false
{{- end -}}

{{- define "engine.tool.image" -}}
image: {{ include "engine.image" (merge (dict "name" "campaignctl") .) }}
{{ include "engine.container.security" . }}
{{- end -}}

{{/* Its settings have no prefix; it logs in to Kafka as campaignctl. */}}
{{- define "engine.tool.connections" -}}
{{- $told := dict "root" .root "name" "campaignctl" "prefix" "" -}}
env:
  {{- range $name, $value := include "engine.connections.config" $told | fromYaml }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
  {{- include "engine.connections.secrets" $told | nindent 2 }}
  - name: REPLICATION_FACTOR
    value: {{ .root.Values.kafka.replicationFactor | quote }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
  {{- include "engine.connections.mounts" $told | nindent 2 }}
{{- end -}}

{{- define "engine.tool.volumes" -}}
{{- $told := dict "root" .root "name" "campaignctl" "prefix" "" -}}
volumes:
  - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
  {{- include "engine.connections.volumes" $told | nindent 2 }}
{{- end -}}

{{- define "engine.topics.pod" -}}
{{- include "engine.pod.security" . }}
{{- include "engine.pod.placement" . }}
restartPolicy: OnFailure
containers:
  - name: provision
    {{- include "engine.tool.image" . | nindent 4 }}
    args: [provision]
    {{- include "engine.tool.connections" . | nindent 4 }}
    resources: {{- toYaml .root.Values.topics.resources | nindent 6 }}
{{ include "engine.tool.volumes" . }}
{{- end -}}
