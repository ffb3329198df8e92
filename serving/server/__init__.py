"""The embedded server: TF Serving's gRPC API over one model of a local model repository."""
