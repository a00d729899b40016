{{/* Names and labels. */}}

{{- define "engine.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Name of the objects of one program: (dict "root" $ "name" "dialer") */}}
{{- define "engine.name" -}}
{{- printf "%s-%s" (include "engine.fullname" .root) .name -}}
{{- end -}}

{{- define "engine.labels.release" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "engine.selector.release" . }}
{{- end -}}

{{- define "engine.selector.release" -}}
app.kubernetes.io/part-of: campaign-engine
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "engine.labels" -}}
{{ include "engine.labels.release" .root }}
app.kubernetes.io/name: {{ .name }}
{{- end -}}

{{- define "engine.selector" -}}
{{ include "engine.selector.release" .root }}
app.kubernetes.io/name: {{ .name }}
{{- end -}}

{{/* What is generated from the code about a service: its prefix, its port, how long it hands over. */}}
{{- define "engine.facts" -}}
{{- index (.root.Files.Get "files/services.yaml" | fromYaml) .name | toYaml -}}
{{- end -}}

{{- define "engine.image" -}}
{{- $image := .root.Values.image -}}
{{- $digest := index $image.digests .name -}}
{{- if $digest -}}
{{- printf "%s/%s@%s" $image.repository .name $digest -}}
{{- else -}}
{{- printf "%s/%s:%s" $image.repository .name ($image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}
