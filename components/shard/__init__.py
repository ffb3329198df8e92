"""Dataset -> class-balanced TFRecords."""
