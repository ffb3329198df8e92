"""A blessed SavedModel -> the next version in a model repository."""
