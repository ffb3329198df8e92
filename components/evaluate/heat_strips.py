"""Where the network looked: a few telling photos, each as a strip of the photo with its boxes, what drew the class, what drew the
box.
"""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from components.common.boxes import Boxes
from components.common.records import Records
from components.evaluate.answers import photos_at
from components.evaluate.explain.heat import heat_maps, overlay
from components.evaluate.explain.network import Network
from components.evaluate.predictions import Predictions

GROUP_PHOTOS = 4
SIZE_PX = (360, 180)
JPEG_QUALITY = 85
TRUE, PREDICTED = "#2f7bff", "#f0403a"


def strips(predictions: Predictions, records: Records, split: str, network: Network) -> list[dict[str, Any]]:
    """Of four each of the surest wrong, the surest right and the worst boxes: `file`, `true`, `predicted`, `score` and the
    `picture`, a JPEG in base64.

    Raises:
        UserError: the network does not know a class that was answered.
    """
    rows = _chosen(predictions)
    jpegs = list(photos_at(records, split, rows))
    ids = [network.id_of(predictions.classes[predictions.predicted[row]]) for row in rows]
    heat = heat_maps(network, jpegs, ids)
    return [
        {
            "file": predictions.files[row].as_py(),
            "true": predictions.classes[predictions.labels[row]],
            "predicted": predictions.classes[predictions.predicted[row]],
            "score": float(predictions.scores[row]),
            "picture": _strip(jpeg, predictions.true_boxes[row], predictions.boxes[row], for_class, for_box),
        }
        for row, jpeg, for_class, for_box in zip(rows, jpegs, heat.classes, heat.boxes, strict=True)
    ]


def _chosen(predictions: Predictions) -> list[int]:
    surest = np.argsort(-predictions.scores, kind="stable")
    groups = [surest[~predictions.right[surest]], surest[predictions.right[surest]], np.argsort(predictions.iou, kind="stable")]
    return list(dict.fromkeys(int(row) for group in groups for row in group[:GROUP_PHOTOS]))


def _strip(jpeg: bytes, true_box: Boxes, predicted_box: Boxes, for_class: NDArray[np.float32], for_box: NDArray[np.float32]) -> str:
    with Image.open(io.BytesIO(jpeg)) as opened:
        scale = min(SIZE_PX[0] / opened.width, SIZE_PX[1] / opened.height)
        photo = opened.convert("RGB").resize((max(round(opened.width * scale), 1), max(round(opened.height * scale), 1)))
    drawn = photo.copy()
    for box, colour in ((true_box, TRUE), (predicted_box, PREDICTED)):
        x1, y1, x2, y2 = (float(edge) * scale for edge in box)
        ImageDraw.Draw(drawn).rectangle((x1, y1, max(x1, x2 - 1), max(y1, y2 - 1)), outline=colour, width=2)
    strip = Image.new("RGB", (3 * photo.width + 8, photo.height), "white")
    for place, picture in enumerate((drawn, overlay(photo, for_class), overlay(photo, for_box))):
        strip.paste(picture, (place * (photo.width + 4), 0))
    content = io.BytesIO()
    strip.save(content, "JPEG", quality=JPEG_QUALITY)
    return base64.b64encode(content.getvalue()).decode("ascii")
