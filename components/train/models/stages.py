"""A backbone cut into stages, by which it is unfrozen and its learning rates fall."""

from itertools import accumulate

import keras


def stages(backbone: keras.Model) -> list[list[keras.layers.Layer]]:
    """The layers that have weights, from input to output, in groups: a new one begins where the feature map's side halves.

    Every weight of the backbone is in exactly one layer of one group. A Normalization of the input belongs to the first
    convolutions: alone it has nothing to train.
    """
    weighted = [layer for layer in backbone.layers if layer.weights]
    widths = [layer.output.shape[1] if len(layer.output.shape) == 4 else 1 for layer in weighted]
    # A map that is squeezed to a point and blown up again (squeeze-and-excitation) counts as wide as what comes after it.
    widths = list(accumulate(reversed(widths), max))[::-1]
    groups: list[list[keras.layers.Layer]] = []
    begun_at = 0.0
    for layer, width in zip(weighted, widths, strict=True):
        # Not half of it exactly: unpadded convolutions lose a few places each.
        if not groups or width < 0.75 * begun_at:
            groups.append([])
            begun_at = width
        groups[-1].append(layer)
    if len(groups) > 1 and all(isinstance(layer, keras.layers.Normalization) for layer in groups[0]):
        groups[:2] = [groups[0] + groups[1]]
    return groups
