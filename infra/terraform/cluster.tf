# One cluster: a pool for everything, and one of spot GPU nodes that is empty until a pod asks for a GPU.

resource "google_container_cluster" "marque" {
  name                = "marque"
  location            = var.region
  network             = google_compute_network.marque.id
  subnetwork          = google_compute_subnetwork.nodes.id
  deletion_protection = var.protect

  # the pool that a cluster comes with cannot be changed; those below can
  remove_default_node_pool = true
  initial_node_count       = 1

  release_channel {
    channel = "REGULAR"
  }

  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }

  private_cluster_config {
    enable_private_nodes    = true
    enable_private_endpoint = false
    master_ipv4_cidr_block  = "172.16.0.0/28"
  }

  master_authorized_networks_config {
    cidr_blocks {
      cidr_block   = var.admin_cidr
      display_name = "admin"
    }
  }

  workload_identity_config {
    workload_pool = "${var.project}.svc.id.goog"
  }

  # network policies are enforced by it
  datapath_provider = "ADVANCED_DATAPATH"

  maintenance_policy {
    recurring_window {
      start_time = "2026-01-03T02:00:00Z"
      end_time   = "2026-01-03T08:00:00Z"
      recurrence = "FREQ=WEEKLY;BYDAY=SA,SU"
    }
  }

  lifecycle {
    ignore_changes = [initial_node_count]
  }
}

resource "google_container_node_pool" "cpu" {
  name               = "cpu"
  cluster            = google_container_cluster.marque.id
  location           = var.region
  initial_node_count = 1

  autoscaling {
    min_node_count  = 1
    max_node_count  = var.max_cpu_nodes
    location_policy = "BALANCED"
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  node_config {
    machine_type    = var.cpu_machine
    disk_size_gb    = 100
    service_account = google_service_account.nodes.email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]

    workload_metadata_config {
      mode = "GKE_METADATA"
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
  }

  # only what it begins with: the autoscaler goes on from there
  lifecycle {
    ignore_changes = [initial_node_count]
  }
}

resource "google_container_node_pool" "gpu" {
  name           = "gpu-spot"
  cluster        = google_container_cluster.marque.id
  location       = var.region
  node_locations = var.gpu_zones

  autoscaling {
    total_min_node_count = 0
    total_max_node_count = var.max_gpu_nodes
    location_policy      = "ANY"
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  node_config {
    machine_type    = var.gpu_machine
    spot            = true
    disk_size_gb    = 200
    disk_type       = "pd-balanced"
    service_account = google_service_account.nodes.email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"]

    guest_accelerator {
      type  = var.gpu_type
      count = var.gpus_per_node

      gpu_driver_installation_config {
        gpu_driver_version = "DEFAULT"
      }
    }

    # GKE itself taints nodes with GPUs, nvidia.com/gpu=present:NoSchedule; `compile --gpus` tolerates it. This one keeps pods away
    # that would not survive losing their node; `compile --spot` tolerates it.
    taint {
      key    = "cloud.google.com/gke-spot"
      value  = "true"
      effect = "NO_SCHEDULE"
    }

    workload_metadata_config {
      mode = "GKE_METADATA"
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }
  }
}
