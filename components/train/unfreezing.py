"""Which layers are trained when: the heads alone first, then the backbone, whole or stage by stage from the top."""

import keras

from components.train.config import TrainConfig
from components.train.models.stages import stages


def set_trainable(network: keras.Model, config: TrainConfig, epoch: int) -> int:
    """Freezes and unfreezes the backbone's layers as `config` wants it in `epoch`, counted from 0.

    Returns:
        How many of the backbone's stages are trained; training functions made for another number are out of date.
    """
    backbone = network.get_layer("backbone")
    grouped = stages(backbone)
    since = epoch - config.frozen_epochs
    if since < 0:
        opened = 0
    elif config.unfreeze_epochs:
        opened = min(len(grouped), 1 + since // config.unfreeze_epochs)
    else:
        opened = len(grouped)
    always_frozen = set(map(id, backbone.layers[: config.frozen_layers]))
    for depth, layers in enumerate(reversed(grouped)):
        for layer in layers:
            layer.trainable = depth < opened and id(layer) not in always_frozen
    if config.batchnorm == "frozen":
        for layer in backbone._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
    return opened
