"""The folder that `validate` writes about a SavedModel, and what it holds for whoever asks a server the same again.

<folder>/
  validation.json    schema, figures, limits; `model` is the fingerprint of the SavedModel
  requests.parquet   recorded requests: photos of the evaluated split with the answers that evaluation got

`requests.parquet`, one row a photo:
  file            string    the photo's name in the source
  jpeg            binary    its bytes
  label           string    the model's best answer
  score           float32   its probability, 0-1
  x1..y2          float32   the predicted box, pixels
  width, height   int32     of the photo, pixels

The same model answers the same up to the order in which float32 sums are taken, which changes with the size of the batch, the
CPU's vectors and a GPU's TF32: a probability moves by less than 1e-3 by that, a box by less than 1e-3 of the frame. The tolerances
are ten times as wide. Another model, another preprocessing or another order of the classes misses them by far.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from components.common.dataset import BOX_COLUMNS, read_info
from components.common.errors import UserError

SCHEMA = "marque.validation/1"
REPORT = "validation.json"
REQUESTS = "requests.parquet"
SCORE_TOLERANCE = 0.01
BOX_TOLERANCE = 0.01
"""Of the photo's longer side."""
MAX_SIDE_PX = 1 << 16
"""For the client that sends recorded photos: byte for byte, none made smaller."""

_COLUMNS = pa.schema(
    [
        ("file", pa.string()),
        ("jpeg", pa.binary()),
        ("label", pa.string()),
        ("score", pa.float32()),
        *((name, pa.float32()) for name in BOX_COLUMNS),
        ("width", pa.int32()),
        ("height", pa.int32()),
    ]
)


class Answer(Protocol):
    """What a server says of one photo: `labels` best first, their `scores`, the `box` x1, y1, x2, y2 in pixels."""

    @property
    def labels(self) -> Sequence[str]: ...
    @property
    def scores(self) -> Sequence[float]: ...
    @property
    def box(self) -> tuple[float, float, float, float]: ...


@dataclass(frozen=True)
class Recorded:
    """A photo and what evaluation was answered to it; one row of `requests.parquet`."""

    file: str
    jpeg: bytes
    label: str
    score: float
    x1: float
    y1: float
    x2: float
    y2: float
    width: int
    height: int

    def difference(self, answer: Answer) -> str:
        """In what `answer` is not the recorded one, in words; "" where it is, within the tolerances."""
        scores = dict(zip(answer.labels, answer.scores, strict=True))
        best = answer.labels[0]
        # Of two classes that are as likely, either may come first.
        if best != self.label and not scores[best] - scores.get(self.label, -1.0) <= 2 * SCORE_TOLERANCE:
            return f"{self.file}: expected {self.label!r} ({self.score:.3f}), received {best!r} ({scores[best]:.3f})"
        if not abs(scores[best] - self.score) <= SCORE_TOLERANCE:
            return f"{self.file}: expected {self.label!r} with {self.score:.3f}, received {scores[best]:.3f}"
        box, tolerance = (self.x1, self.y1, self.x2, self.y2), BOX_TOLERANCE * max(self.width, self.height)
        if not all(abs(received - expected) <= tolerance for received, expected in zip(answer.box, box, strict=True)):
            return f"{self.file}: expected the box {_edges(box)}, received {_edges(answer.box)} px"
        return ""


def write_requests(folder: Path, requests: Sequence[Recorded]) -> None:
    """Writes `requests.parquet` into `folder`."""
    pq.write_table(pa.Table.from_pylist([asdict(request) for request in requests], _COLUMNS), folder / REQUESTS)


def read_validation(folder: Path) -> tuple[dict[str, Any], list[Recorded]]:
    """What validation.json holds, and the recorded requests, at least one.

    Raises:
        UserError: no validation there, one of another schema, or a damaged one.
    """
    report = read_info(folder / REPORT, SCHEMA, "a validation written by validate")
    try:
        rows = pq.read_table(folder / REQUESTS, schema=_COLUMNS).to_pylist()
        requests = [Recorded(**row) for row in rows]
    except (pa.ArrowException, OSError, TypeError) as error:
        raise UserError(f"{folder / REQUESTS}: expected recorded requests: {error}; run validate again") from None
    if not requests:
        raise UserError(f"{folder / REQUESTS}: expected at least one recorded request, found none; run validate again")
    return report, requests


def _edges(box: Sequence[float]) -> str:
    return ", ".join(f"{edge:.1f}" for edge in box)
