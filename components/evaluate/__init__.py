"""Judges the exported SavedModel on the records of one split: figures, pictures, a report and a verdict."""
