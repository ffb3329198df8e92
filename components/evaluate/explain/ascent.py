"""What the network takes a class for: a picture made from grey noise by gradient ascent on the class's logit.

Steps on the pixels themselves end in fine noise that the network adores and nobody reads. So, as in Olah et al. (2017, "Feature
Visualization", distill.pub/2017/feature-visualization):

- the ascent moves the picture's Fourier coefficients, each scaled by its frequency to the power of -1.4, so that coarse structure
  comes first (natural pictures fall off so, with an exponent of about -1);
- colours move along the axes in which those of natural pictures are uncorrelated;
- each step looks at two cuts of random place and size, so that only what stands a jitter and a zoom pays, and the class appears at
  several scales.
"""

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.common.progress import track
from components.evaluate.explain.network import Network

STEPS = 256
LEARNING_RATE = 0.05
DECAY = 1.4
NOISE = 0.01
CONTRAST = 3.5
VIEWS = 2
SIDE = 2
"""Of the picture, in sides of the network's photos; a cut is between the least and all of it."""
LEAST_CUT = 0.9
_UNCORRELATED = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)
"""RGB of three uncorrelated axes (light, red-blue, green) over ImageNet, from Lucid, the library of the article above."""
_AXES = _UNCORRELATED / np.linalg.norm(_UNCORRELATED, axis=0).max()


def ascent(network: Network, class_id: int, *, steps: int = STEPS, seed: int = 0) -> NDArray[np.uint8]:
    """A picture with a high logit of the class; with 0 steps, the noise that it starts from.

    Args:
        network: as train wrote it.
        class_id: which class.
        steps: of Adam.
        seed: of the noise and the cuts; the same gives the same picture on the same CPU.

    Returns:
        RGB `(2 * image_px, 2 * image_px, 3)`.
    """
    px = network.image_px
    side = SIDE * px
    rng = np.random.default_rng(seed)
    scale = _scale(side)
    spectrum = tf.Variable(rng.normal(0, NOISE, (2, 3, side, side // 2 + 1)).astype(np.float32))
    adam = keras.optimizers.Adam(LEARNING_RATE)

    @tf.function
    def step(cuts: tf.Tensor) -> None:
        """Looks at cuts `(VIEWS, 3)`: top, left, side."""
        with tf.GradientTape() as tape:
            picture = _picture(spectrum, scale)
            # Not tf.image.crop_and_resize: its gradient adds up in any order, and the picture would differ from run to run.
            views = [
                tf.image.resize(picture[y : y + cut, x : x + cut], (px, px)) for y, x, cut in map(tf.unstack, tf.unstack(cuts))
            ]
            logits = network.model(tf.stack(views), training=False)["logits"]
            loss = -tf.reduce_mean(logits[:, class_id])
        adam.apply_gradients([(tape.gradient(loss, spectrum), spectrum)])

    for _ in track(range(steps), f"ascent, {network.classes[class_id]}"):
        sizes = rng.integers(round(LEAST_CUT * px), side, VIEWS, endpoint=True)
        corners = rng.integers(0, side - sizes, (2, VIEWS), endpoint=True)
        step(tf.constant(np.stack([*corners, sizes], axis=-1), tf.int32))
    return _picture(spectrum, scale).numpy().round().astype(np.uint8)


def _picture(spectrum: tf.Variable, scale: NDArray[np.float32]) -> tf.Tensor:
    """Real and imaginary coefficients `(2, 3, side, side // 2 + 1)` -> RGB 0-255 `(side, side, 3)`."""
    side = len(scale)
    planes = tf.signal.irfft2d(tf.complex(spectrum[0], spectrum[1]) * scale, (side, side))
    return 255 * tf.sigmoid(CONTRAST * tf.einsum("ahw,ca->hwc", planes, _AXES))


def _scale(side: int) -> NDArray[np.float32]:
    """What a coefficient of each frequency counts, `(side, side // 2 + 1)`; on average they keep the noise's deviation."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    falling = np.maximum(frequency, 1 / side) ** -DECAY
    return (side * falling / np.sqrt(np.mean(falling**2))).astype(np.float32)
