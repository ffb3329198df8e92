"""Whether a run can come to anything, found out in a minute before hours are spent: `python -m components.train sanity`.

The checks are those of Stanford's CS231n notes (cs231n.github.io/neural-networks-3, "Sanity checks"): the loss of an untrained
network is that of guessing, regularization raises it, a handful of photos can be learned by heart; and that gradients reach every
layer.
"""
