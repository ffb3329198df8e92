# Nodes have no address of the internet's; they reach images and packages through NAT, Google's services directly.

resource "google_compute_network" "marque" {
  name                    = "marque"
  auto_create_subnetworks = false
  depends_on              = [google_project_service.needed]
}

resource "google_compute_subnetwork" "nodes" {
  name                     = "marque-nodes"
  network                  = google_compute_network.marque.id
  region                   = var.region
  ip_cidr_range            = "10.10.0.0/20"
  private_ip_google_access = true

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = "10.20.0.0/14"
  }

  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = "10.40.0.0/20"
  }
}

resource "google_compute_router" "marque" {
  name    = "marque"
  network = google_compute_network.marque.id
  region  = var.region
}

resource "google_compute_router_nat" "marque" {
  name                               = "marque"
  router                             = google_compute_router.marque.name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}
