"""Model and records -> `neighbours.json` and `neighbours.png`: what the model's embedding is worth to recognise photos by.

`neighbours.json`:

    schema, classes (trained on), unseen_classes, photos {gallery, queries, unseen}, chance {known, unseen}, enrolled (photos of a
    class), enrolments, results {what: {known_1nn, known_5nn, unseen_1nn, unseen_recall_at_1: {value, low, high[, std]}}}

Known classes: test photos are looked up among the train photos. Unseen classes: see `measure.Unseen`.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from components.common.dataset import SPLITS
from components.common.errors import UserError
from components.common.figures import png
from components.common.progress import track
from components.common.records import Records, open_records
from components.common.whole import whole_folder
from components.train.config import TrainConfig
from components.train.models import build
from components.train.neighbours import gallery, measure
from components.train.neighbours.search import Embeddings, Numbers
from components.train.reader import Reader
from components.train.sampling import trained_classes

SCHEMA = "marque.neighbours/1"
TRAINED = "embedding"
WEIGHTS_SUFFIX = ".weights.h5"


def run(records: Sequence[Path], model: Path, output: Path, against: Sequence[str] = ()) -> dict[str, Any]:
    """Measures and draws.

    Args:
        records: the folders that shard's tasks wrote, of every split.
        model: the folder that train wrote.
        output: the folder to write.
        against: weights of the model's backbone, whose pooled features are measured too, without any training: `imagenet`, `none`
            (random) or a local file.

    Returns:
        What `neighbours.json` holds.

    Raises:
        UserError: no model, one without an embedding or of other classes, records missing or damaged, weights that do not fit.
    """
    opened = open_records(records)
    network, config = _load(model, opened.classes)
    trained = trained_classes(len(opened.classes), config.held_out)
    names = [f"untrained {Path(weights).name.removesuffix(WEIGHTS_SUFFIX)}" for weights in against]
    if len(set(names)) < len(names):
        raise UserError(f"against: expected weights of different names, received {', '.join(against)}")
    networks = {TRAINED: keras.Model(network.input, network.output["embedding"])}
    networks |= {name: _untrained(config, weights, len(opened.classes)) for name, weights in zip(names, against, strict=True)}
    embeddings, labels, splits = _embed(networks, opened, config)
    known, unseen = measure.known(labels, splits, trained), measure.unseen(labels, opened.classes, trained)
    if not known and not unseen:
        raise UserError(
            f"{records[0]}: expected test photos, or two classes that {model} was not trained on (held_out), found none"
        )
    results = {
        name: {
            **(known.measure(each, labels) if known else {}),
            **(unseen.measure(each, labels, config.seed) if unseen else {}),
        }
        for name, each in embeddings.items()
    }
    report = {
        "schema": SCHEMA,
        "classes": opened.classes[:trained],
        "unseen_classes": opened.classes[trained:],
        "photos": {
            "gallery": len(known.gallery) if known else 0,
            "queries": len(known.queries) if known else 0,
            "unseen": len(unseen.photos) if unseen else 0,
        },
        "chance": {"known": 1 / trained, **({"unseen": 1 / (len(opened.classes) - trained)} if unseen else {})},
        "enrolled": measure.ENROLLED,
        "enrolments": measure.ENROLMENTS,
        "results": results,
    }
    panels = gallery.panels(embeddings[TRAINED], labels, opened.classes, known, unseen, config.seed)
    photos = _photos_of(sorted({number for panel in panels for number in panel.numbers}), opened, config)
    with whole_folder(output, "neighbours.json") as folder:
        (folder / "neighbours.json").write_text(json.dumps(report, indent=1, ensure_ascii=False), "utf-8")
        (folder / "neighbours.png").write_bytes(png(gallery.draw(panels, photos)))
    return report


def _load(folder: Path, classes: list[str]) -> tuple[keras.Model, TrainConfig]:
    try:
        settings = json.loads((folder / "config.json").read_text("utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder}: expected config.json and model.keras, as train writes them, found none") from None
    if settings.pop("classes") != classes:
        raise UserError(f"{folder}: expected a model of the classes of these records, found one of other classes")
    config = TrainConfig.of(settings)
    if not config.embedding:
        raise UserError(f"{folder}: expected a model with an embedding, found none; train with preset siamese, or embedding=64")
    return keras.models.load_model(folder / "model.keras", compile=False), config


def _untrained(config: TrainConfig, weights: str, classes: int) -> keras.Model:
    keras.utils.set_random_seed(config.seed)
    network = build(dataclasses.replace(config, weights=weights, batchnorm="trained"), classes)
    return keras.Model(network.input, network.get_layer("pool").output)


def _batches(records: Records, config: TrainConfig) -> Iterator[tuple[str, NDArray[np.uint8], Numbers]]:
    """Every photo of every split and class, as serving sees it: split, photos and labels of a batch."""
    config = dataclasses.replace(config, held_out=0.0, augment="none", randaugment=0)
    with Reader(records, config) as reader:
        for split in SPLITS:
            if sum(records.counts[split]):
                for photos, truth in reader.validation(split).as_numpy_iterator():
                    yield split, photos, truth["logits"].argmax(-1)


def _embed(
    networks: dict[str, keras.Model], records: Records, config: TrainConfig
) -> tuple[dict[str, Embeddings], Numbers, NDArray[np.str_]]:
    """What each network makes of each photo, `(n, d)`, the photos' labels and splits, `(n,)`."""
    count = sum(map(sum, records.counts.values()))
    embeddings = {name: np.empty((count, network.output_shape[-1]), np.float32) for name, network in networks.items()}
    labels, splits = np.empty(count, np.int64), np.empty(count, "U10")
    done = 0
    for split, photos, classes in track(_batches(records, config), "batches of photos"):
        rows = slice(done, done := done + len(photos))
        labels[rows], splits[rows] = classes, split
        for name, network in networks.items():
            embeddings[name][rows] = network.predict_on_batch(photos)
    return {name: each[:done] for name, each in embeddings.items()}, labels[:done], splits[:done]


def _photos_of(numbers: Sequence[int], records: Records, config: TrainConfig) -> dict[int, NDArray[np.uint8]]:
    """Photos by their number in the order of `_embed`: read again, as all of them together may not fit into memory."""
    found: dict[int, NDArray[np.uint8]] = {}
    done = 0
    for _, photos, _ in _batches(records, config):
        found |= {number: photos[number - done] for number in numbers if done <= number < done + len(photos)}
        done += len(photos)
    return found
