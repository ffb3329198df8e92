"""The steps of the pipeline, one folder each, over the shared ground in `common`."""
