"""The two-head network: a backbone, a class head, a box head that sees where things are, and, if asked for, an embedding.

Only `keras` and `keras.ops`, so it runs on any Keras backend, and only layers of Keras, so that `keras.models.load_model` restores
what was saved without this code.
"""

import keras
from numpy.typing import ArrayLike

from components.train.config import TrainConfig
from components.train.models.backbone import backbone_of, preprocess
from components.train.models.heads import heads

BATCHNORM_MOMENTUM = 0.9
"""Of every BatchNorm layer: the backbones' own .99 to .999 lag behind on the few hundred steps of a small set."""


def build(config: TrainConfig, classes: int, *, mean_box: ArrayLike = (0.1, 0.2, 0.9, 0.8)) -> keras.Model:
    """Builds the network.

    Input: photos `(n, image_px, image_px, 3)`, 0-255. The backbone's own preprocessing is part of the graph.
    Output, float32 whatever the precision: `{"logits": (n, classes), "box": (n, 4)}`, and `"embedding": (n, config.embedding)` of
    unit length where that is not 0. The box is x1, y1, x2, y2 relative to the photo, always x1 < x2 and y1 < y2.

    The backbone is one nested model named `backbone`; the layer named `pool` is the first after it.

    Args:
        config: the settings; its `weights` are `imagenet`, `none` or a local path.
        classes: how many classes.
        mean_box: the box that the untrained box head answers, relative.

    Raises:
        UserError: weights that are not there or do not fit the backbone.
    """
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.precision)
    try:
        photo = keras.Input((config.image_px, config.image_px, 3), name="photo", dtype="float32")
        backbone = backbone_of(config)
        features = backbone(preprocess(photo, backbone, config))
        network = keras.Model(photo, heads(features, classes, config, mean_box), name="marque")
    finally:
        keras.config.set_dtype_policy(policy)
    for layer in [*backbone.layers, *network.layers]:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = BATCHNORM_MOMENTUM
    return network
