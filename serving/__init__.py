"""Asking a served model over gRPC, and an embedded server that speaks TF Serving's API."""
