"""ingest: a source of labelled car photos -> a checked dataset on disk."""
