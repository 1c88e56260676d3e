{{- define "loadline.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "loadline.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- $name := include "loadline.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "loadline.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "loadline.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "loadline.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- /* What selects the pods; never changed by an upgrade. */}}
{{- define "loadline.selectorLabels" -}}
app.kubernetes.io/name: {{ include "loadline.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "loadline.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "loadline.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* The Secret with the serving certificate: one that is given, or one that Loadline or cert-manager makes. */}}
{{- define "loadline.secret" -}}
{{- if and (eq .Values.tls.type "existingSecret") .Values.tls.existingSecret.name }}
{{- .Values.tls.existingSecret.name }}
{{- else }}
{{- printf "%s-serving" (include "loadline.fullname" .) }}
{{- end }}
{{- end }}

{{- /* Not empty when somebody else than Loadline signs the serving certificate. */}}
{{- define "loadline.ownCertificate" -}}
{{- if or (eq .Values.tls.type "existingSecret") (eq .Values.tls.type "cert-manager") }}given
{{- else if contains "--tls-cert-file" (concat .Values.defaultArgs .Values.args | join " ") }}given
{{- end }}
{{- end }}

{{- define "loadline.account" -}}
subjects:
- kind: ServiceAccount
  name: {{ include "loadline.serviceAccountName" . }}
  namespace: {{ include "loadline.namespace" . }}
{{- end }}
