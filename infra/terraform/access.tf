# Who may do what. Pods are known by their namespace and service account (Workload Identity), without keys and without a Google
# account of their own; the names are those of infra/kubernetes.

locals {
  pods         = "principal://iam.googleapis.com/projects/${data.google_project.marque.number}/locations/global/workloadIdentityPools/${var.project}.svc.id.goog/subject"
  pipeline_pod = "${local.pods}/ns/kubeflow/sa/marque-pipeline"
  serving_pod  = "${local.pods}/ns/marque-serving/sa/marque-serving"
}

data "google_project" "marque" {
  project_id = var.project
}

resource "google_project_service" "needed" {
  for_each = toset([
    "artifactregistry.googleapis.com",
    "billingbudgets.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "compute.googleapis.com",
    "container.googleapis.com",
    "iam.googleapis.com",
    "monitoring.googleapis.com",
    "storage.googleapis.com",
  ])

  service            = each.value
  disable_on_destroy = false
}

resource "google_service_account" "nodes" {
  account_id   = "marque-nodes"
  display_name = "Nodes of the cluster: logs, metrics and images, nothing else"
  depends_on   = [google_project_service.needed]
}

resource "google_project_iam_member" "nodes" {
  project = var.project
  role    = "roles/container.defaultNodeServiceAccount"
  member  = google_service_account.nodes.member
}

resource "google_artifact_registry_repository_iam_member" "nodes" {
  repository = google_artifact_registry_repository.marque.name
  location   = var.region
  role       = "roles/artifactregistry.reader"
  member     = google_service_account.nodes.member
}

# The pipeline reads data, writes runs, and publishes, labels and prunes models.
resource "google_storage_bucket_iam_member" "pipeline" {
  bucket = google_storage_bucket.marque.name
  role   = "roles/storage.objectUser"
  member = local.pipeline_pod

  depends_on = [google_container_cluster.marque]
}

# Servers read models and nothing else.
resource "google_storage_bucket_iam_member" "serving" {
  bucket = google_storage_bucket.marque.name
  role   = "roles/storage.objectViewer"
  member = local.serving_pod

  condition {
    title      = "models"
    expression = "resource.name.startsWith(\"projects/_/buckets/${google_storage_bucket.marque.name}/objects/models/\") || resource.type == \"storage.googleapis.com/Bucket\""
  }

  depends_on = [google_container_cluster.marque]
}
