"""Shared ground of the steps. Knows no step and no kfp."""
