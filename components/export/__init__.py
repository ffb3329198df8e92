"""model.keras -> SavedModel with a serving signature."""
