"""What is served and asked: a repository whose versions can be told apart by every answer, and photos of full size.

The model is MobileNetV2-0.35 with random weights and 196 classes: its speed does not ask what it has learned. The classes of
version 3 are named "3 class 000" and so on, so that an answer made of two versions would show.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from components.common.progress import track
from components.common.quiet import quiet_tensorflow
from components.common.whole import whole_folder
from tests.bench.photos import make_sources

MODEL = "marque"
CLASSES = 196


def make_repository(cache: Path, image_px: int, versions: int) -> Path:
    """A model repository with so many versions of `MODEL`, made once."""
    repository = cache / f"repository-{hashlib.sha256(repr((image_px, versions, CLASSES)).encode()).hexdigest()[:8]}"
    if not repository.exists():
        with whole_folder(repository) as folder:
            _export(folder, image_px, range(1, versions + 1))
    return repository


def make_photos(small: str, cache: Path, count: int) -> list[Path]:
    """`count` JPEGs of full size, enlarged from the source `small`, made once."""
    return sorted(make_sources(small, [count], cache)[count].glob("*.jpg"))


def _export(repository: Path, image_px: int, versions: Sequence[int]) -> None:
    with quiet_tensorflow():
        import keras

        from components.export import step
        from components.train.config import TrainConfig
        from components.train.models import build

    keras.utils.set_random_seed(0)
    config = TrainConfig(backbone="MobileNetV2-0.35", weights="none", batchnorm="trained", image_px=image_px)
    network = build(config, CLASSES)
    trained = repository / "trained"
    trained.mkdir()
    network.save(trained / "model.keras")
    for version in track(versions, "exporting versions"):
        names = [f"{version} class {number:03d}" for number in range(CLASSES)]
        (trained / "config.json").write_text(json.dumps({"classes": names}), "utf-8")
        step.run(trained, repository / MODEL / str(version), model_name=MODEL)
