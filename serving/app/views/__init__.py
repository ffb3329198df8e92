"""One module a page of the app; each has `show(sources)`, and what it cannot show is a `UserError` that says what to run."""
