# `make infra-outputs` prints them.

output "registry" {
  description = "Where images are pushed: REGISTRY of `make images`."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.marque.repository_id}"
}

output "model_repository" {
  description = "MODEL_REPOSITORY in settings.env, `--repository` of `submit`."
  value       = "gs://${google_storage_bucket.marque.name}/models"
}

output "pipeline_root" {
  description = "`--pipeline-root` of `submit`; what lies there is deleted after artifact_days."
  value       = "gs://${google_storage_bucket.marque.name}/runs"
}

output "credentials_command" {
  description = "Makes the cluster kubectl's."
  value       = "gcloud container clusters get-credentials ${google_container_cluster.marque.name} --region ${var.region} --project ${var.project}"
}
