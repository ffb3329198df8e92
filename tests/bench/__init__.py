"""The benchmarks behind `make bench`: how fast photos are read, augmented, ingested, sharded and trained on, all in one run."""
