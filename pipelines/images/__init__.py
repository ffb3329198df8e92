"""The images: what goes into each, their names, how they are built, pushed and listed. `python -m pipelines.images`."""
