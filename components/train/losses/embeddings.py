"""The losses of the embedding: one-hot labels `(n, classes)`, unit-length embeddings `(n, d)` -> nats, `(n,)`.

A mixed photo counts as one of the class it shows most of. Layers, since proxies are weights; they compute in float32.
"""

import keras
from keras import ops

CONTRASTIVE_TEMPERATURE = 0.1  # arXiv:2004.11362
PROXY_TEMPERATURE = 0.05  # arXiv:1811.12649; ProxyNCA++ has 1/18, arXiv:2004.01113


class Contrastive(keras.layers.Layer):
    """The supervised contrastive loss (Khosla et al., 2020, arXiv:2004.11362, equation 2).

    The cross-entropy of finding a photo's partners, the others of its class, among all others of the batch by their cosine
    similarity; the mean over its partners, 0 without one. It wants batches with pairs (`photos_per_class` 2 or more), and
    its value depends on who shares the batch, and the device.
    """

    def __init__(self, dtype: str = "float32"):
        super().__init__(name="contrastive", dtype=dtype)
        self.built = True

    def call(self, labels: keras.KerasTensor, embeddings: keras.KerasTensor) -> keras.KerasTensor:
        """-> loss per photo, shape `(n,)`."""
        classes = ops.argmax(labels, axis=-1)
        itself = ops.eye(ops.shape(embeddings)[0], dtype=embeddings.dtype)
        partners = ops.cast(classes[:, None] == classes[None, :], embeddings.dtype) - itself
        similarity = embeddings @ ops.transpose(embeddings) / CONTRASTIVE_TEMPERATURE
        log_found = ops.log_softmax(similarity - 1e9 * itself, axis=-1)
        return -ops.sum(partners * log_found, axis=-1) / ops.maximum(ops.sum(partners, axis=-1), 1)


class Proxy(keras.layers.Layer):
    """The normalized softmax loss (Zhai and Wu, 2019, arXiv:1811.12649): a learned direction a class, its proxy.

    The cross-entropy of finding a photo's class among all classes by the cosine similarity to their proxies. It needs no
    pairs. Of unit-length embeddings and proxies, ProxyNCA++ (arXiv:2004.01113) is the same formula.
    """

    def __init__(self, classes: int, size: int, dtype: str = "float32"):
        super().__init__(name="proxy", dtype=dtype)
        self.proxies = self.add_weight(
            shape=(classes, size), initializer=keras.initializers.RandomNormal(stddev=size**-0.5), name="proxies"
        )
        self.built = True

    def call(self, labels: keras.KerasTensor, embeddings: keras.KerasTensor) -> keras.KerasTensor:
        """-> loss per photo, shape `(n,)`."""
        similarity = embeddings @ ops.transpose(ops.normalize(self.proxies)) / PROXY_TEMPERATURE
        return ops.sparse_categorical_crossentropy(ops.argmax(labels, axis=-1), similarity, from_logits=True)
