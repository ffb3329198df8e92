"""The metrics of the heads."""

import numpy as np

from components.common import boxes as box_math
from components.train.metrics import MeanIoU


def test_mean_iou_weighs_batches_by_their_size() -> None:
    corners = np.random.default_rng(0).random((2, 30, 2, 2)).astype(np.float32)
    a, b = np.sort(corners, axis=2).reshape(2, 30, 4)
    metric = MeanIoU()
    metric.update_state(a[:20], b[:20])
    metric.update_state(a[20:], b[20:])
    np.testing.assert_allclose(metric.result(), box_math.iou(a, b).mean(), atol=1e-6)
