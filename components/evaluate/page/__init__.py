"""The pages people look at: one model's report, two models compared."""
