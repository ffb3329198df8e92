"""Search over train's settings: trials in a shared Optuna study, pruned by their validation results."""
