"""The app: look at photos, ask the model, weigh thresholds, compare versions, read the report. `python -m serving.app` starts it.

What is shown follows from files that the steps wrote and from what a server answers; nothing here needs TensorFlow.
"""
