"""The compiled pipelines and the commands that compile, run and submit them."""
