"""`make bench-serving`: the embedded server against its own SavedModel, measured side by side on one machine."""
