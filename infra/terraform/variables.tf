# The first seven come from infra/settings/settings.env by way of the Makefile.

variable "project" {
  description = "Id of an existing Google Cloud project with billing."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "Expected a project's id: 6 to 30 lower-case letters, digits and dashes."
  }
}

variable "region" {
  description = "Where everything is, for example europe-west4."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]+$", var.region))
    error_message = "Expected a region, for example europe-west4; a zone such as europe-west4-a is none."
  }
}

variable "bucket" {
  description = "Name of the bucket for data, artifacts and models; unique in the world."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9_.-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "Expected a bucket's name: 3 to 63 lower-case letters, digits, dashes, dots and underscores."
  }
}

variable "billing_account" {
  description = "Id of the billing account that pays for the project."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}$", var.billing_account))
    error_message = "Expected XXXXXX-XXXXXX-XXXXXX; `gcloud billing accounts list` shows it."
  }
}

variable "budget" {
  description = "Amount a month, in the billing account's currency, at whose half, nine tenths and whole an alert is sent."
  type        = number

  validation {
    condition     = var.budget >= 1 && floor(var.budget) == var.budget
    error_message = "Expected a whole amount of at least 1."
  }
}

variable "alert_email" {
  description = "Who is told when the budget is used up."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$", var.alert_email))
    error_message = "Expected an e-mail address."
  }
}

variable "admin_cidr" {
  description = "Addresses that may reach the cluster's API, for example 203.0.113.7/32."
  type        = string

  validation {
    condition     = can(cidrhost(var.admin_cidr, 0)) && !startswith(var.admin_cidr, "0.0.0.0/")
    error_message = "Expected a CIDR that is not the whole internet."
  }
}

variable "gpu_type" {
  description = "Accelerator of the GPU pool, as Compute Engine names it."
  type        = string
  default     = "nvidia-l4"

  validation {
    condition     = startswith(var.gpu_type, "nvidia-")
    error_message = "Expected an accelerator type, for example nvidia-l4; `gcloud compute accelerator-types list` shows them."
  }
}

variable "gpu_zones" {
  description = "Zones of the region that have gpu_type, where not all of the cluster's have it: such as [\"europe-west4-a\"]."
  type        = list(string)
  default     = null

  validation {
    condition     = alltrue([for zone in coalesce(var.gpu_zones, []) : startswith(zone, "${var.region}-")])
    error_message = "Expected zones of the region; `gcloud compute accelerator-types list` shows which have the GPU."
  }
}

variable "gpu_machine" {
  description = "Machine type of the GPU pool; it has to go with gpu_type and gpus_per_node."
  type        = string
  default     = "g2-standard-8"
}

variable "gpus_per_node" {
  description = "GPUs of one node."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 2, 4, 8], var.gpus_per_node)
    error_message = "Expected 1, 2, 4 or 8."
  }
}

variable "max_gpu_nodes" {
  description = "So many GPU nodes at most; none run while nothing asks for a GPU."
  type        = number
  default     = 2

  validation {
    condition     = var.max_gpu_nodes >= 0 && var.max_gpu_nodes <= 100
    error_message = "Expected 0 to 100."
  }
}

variable "cpu_machine" {
  description = "Machine type of the CPU pool, for Kubeflow, serving and the steps without a GPU."
  type        = string
  default     = "e2-standard-8"
}

variable "max_cpu_nodes" {
  description = "So many CPU nodes a zone at most."
  type        = number
  default     = 4

  validation {
    condition     = var.max_cpu_nodes >= 1
    error_message = "Expected at least 1."
  }
}

variable "artifact_days" {
  description = "A run's artifacts (folder runs/) are deleted after so many days; models and data stay."
  type        = number
  default     = 90

  validation {
    condition     = var.artifact_days >= 7
    error_message = "Expected at least 7 days: a run that is younger may still be under way."
  }
}

variable "protect" {
  description = "Whether `terraform destroy` refuses to delete the cluster and a bucket that is not empty."
  type        = bool
  default     = true
}
