"""Pictures of what training is fed: how photos are shared out and drawn, and what augmentation makes of them.

Nothing on the way of training imports this package, nor Matplotlib through it.
"""
