"""Compiled pipelines sent to where they run: Kubeflow Pipelines or Vertex AI; once, or by a schedule; followed to their end."""
