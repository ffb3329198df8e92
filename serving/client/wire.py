"""What is asked and what the answers mean, without any sending: shared by the synchronous and the asyncio client."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.common.errors import UserError
from serving.client import tensors
from serving.client.messages import tf_serving_pb2 as messages
from serving.client.photo import MAX_BYTES, Photo

INPUT = "jpeg"
OUTPUTS = ("labels", "scores", "boxes")
REQUEST_BYTES = MAX_BYTES
REQUEST_PHOTOS = 16


@dataclass(frozen=True)
class Prediction:
    """What the model says of one photo: candidates, best first, with probabilities; the box x1, y1, x2, y2 in upright pixels.

    `version` is the model's that answered.
    """

    labels: list[str]
    scores: list[float]
    box: tuple[float, float, float, float]
    version: int


@dataclass(frozen=True)
class VersionStatus:
    """A version of a model on a server: its state, such as AVAILABLE, and what went wrong with it."""

    version: int
    state: str
    message: str


@dataclass(frozen=True)
class Model:
    """The model that is asked: its `version`, or what `label` points to, or (neither) the latest.

    Raises:
        UserError: both a version and a label.
    """

    name: str
    version: int | None = None
    label: str = ""

    def __post_init__(self) -> None:
        if self.version is not None and self.label:
            raise UserError(f"expected a version or a label, received both: {self.version} and {self.label!r}")

    def predict_request(self, photos: Sequence[Photo]) -> messages.PredictRequest:
        """A request for n photos."""
        request = messages.PredictRequest(model_spec=messages.ModelSpec(name=self.name, version_label=self.label or None))
        if self.version is not None:
            request.model_spec.version.value = self.version
        request.inputs[INPUT].CopyFrom(tensors.of_strings([photo.jpeg for photo in photos]))
        return request

    def status_request(self) -> messages.GetModelStatusRequest:
        """A request for the states of all versions."""
        return messages.GetModelStatusRequest(model_spec=messages.ModelSpec(name=self.name))

    def read_predictions(self, response: messages.PredictResponse, photos: Sequence[Photo]) -> list[Prediction]:
        """A prediction a photo, with the box in pixels of the upright original.

        Raises:
            UserError: the outputs are not those of Marque's export.
        """
        try:
            outputs = {name: tensors.to_array(response.outputs[name]) for name in OUTPUTS if name in response.outputs}
        except ValueError as error:
            raise UserError(f"model {self.name!r}: received a tensor that cannot be read: {error}") from None
        n = len(photos)
        shapes = {name: outputs[name].shape if name in outputs else () for name in OUTPUTS}
        types = {name: array.dtype.name for name, array in outputs.items()}
        candidates = shapes["labels"][-1:]
        expected_shapes = {"labels": (n, *candidates), "scores": (n, *candidates), "boxes": (n, 4)}
        if shapes != expected_shapes or 0 in candidates or any(outputs[name].dtype.kind not in "fiu" for name in OUTPUTS[1:]):
            expected = f"outputs {', '.join(OUTPUTS)} of Marque's export for {n} photos"
            raise UserError(f"model {self.name!r}: expected {expected}, received shapes {shapes} and types {types}")
        version = response.model_spec.version.value
        return [
            Prediction([_text(label) for label in labels], scores.tolist(), photo.upright_box(box), version)
            for labels, scores, box, photo in zip(*(outputs[name] for name in OUTPUTS), photos, strict=True)
        ]


def _text(label: object) -> str:
    return label.decode("utf-8", "replace") if isinstance(label, bytes) else str(label)


def read_status(response: messages.GetModelStatusResponse) -> list[VersionStatus]:
    """Every version that the server knows."""
    name = messages.ModelVersionStatus.State.Name
    return [VersionStatus(entry.version, name(entry.state), entry.status.error_message) for entry in response.model_version_status]


def check_reload(response: messages.ReloadConfigResponse) -> None:
    """Raises UserError where the answer itself says that the config was refused."""
    if response.status.error_code:
        raise UserError(f"the server refused the config: {response.status.error_message}")


def batches(photos: Sequence[Photo]) -> Iterator[list[Photo]]:
    """`photos` in as few requests as stay under `REQUEST_BYTES` and `REQUEST_PHOTOS`; a larger photo travels alone."""
    batch: list[Photo] = []
    size = 0
    for photo in photos:
        size += len(photo.jpeg)
        if batch and (size > REQUEST_BYTES or len(batch) == REQUEST_PHOTOS):
            yield batch
            batch, size = [], len(photo.jpeg)
        batch.append(photo)
    if batch:
        yield batch
