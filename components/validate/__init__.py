"""A SavedModel, before it is pushed: does a fresh server load it, answer as evaluated, and soon enough?"""
