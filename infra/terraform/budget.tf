resource "google_monitoring_notification_channel" "budget" {
  display_name = "Marque's budget"
  type         = "email"
  labels       = { email_address = var.alert_email }
  depends_on   = [google_project_service.needed]
}

resource "google_billing_budget" "marque" {
  billing_account = var.billing_account
  display_name    = "marque"

  budget_filter {
    projects = ["projects/${data.google_project.marque.number}"]
  }

  amount {
    specified_amount {
      units = tostring(var.budget)
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1.0]

    content {
      threshold_percent = threshold_rules.value
    }
  }

  all_updates_rule {
    monitoring_notification_channels = [google_monitoring_notification_channel.budget.id]
  }
}
