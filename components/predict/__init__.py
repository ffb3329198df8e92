"""A folder or bucket of photos -> one table of answers, in parallel tasks that can be killed and run again."""
