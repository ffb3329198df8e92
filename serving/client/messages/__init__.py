"""TF Serving's messages, wire-compatible and without TensorFlow: `tf_serving.proto`, and `tf_serving_pb2.py` made from it."""
