terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 7.0"
    }
  }

  # Give the bucket with `terraform init -backend-config=bucket=...`; it is made by hand, once (infra/README.md).
  backend "gcs" {
    prefix = "marque"
  }
}

provider "google" {
  project               = var.project
  region                = var.region
  billing_project       = var.project
  user_project_override = true
}
