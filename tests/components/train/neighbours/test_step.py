"""The command on a model trained on pairs of three of five toy classes: its figures are those that scikit-learn finds."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text
from PIL import Image
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors

from components.common.records import open_records
from components.ingest.step import run as ingest
from components.shard.step import run as shard
from components.train.__main__ import main
from components.train.config import TrainConfig
from components.train.neighbours import gallery, measure
from components.train.reader import Reader
from components.train.step import run as train

CONFIG = TrainConfig(
    backbone="hidden",
    weights="none",
    batchnorm="trained",
    image_px=32,
    embedding=8,
    metric_loss="contrastive",
    photos_per_class=2,
    held_out=0.4,
    epochs=1,
    batch=8,
    augment="none",
)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """70 drawn cars of five classes."""
    folder = tmp_path_factory.mktemp("five")
    ingest("toy://?classes=5&per_class=14&seed=1", folder / "dataset")
    shard(folder / "dataset", folder / "records")
    return folder / "records"


@pytest.fixture(scope="module")
def model(records: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("siamese") / "model"
    train([records], folder, CONFIG)
    return folder


def neighbours(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["neighbours", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.slow
def test_figures_table_and_picture(records: Path, model: Path, tmp_path: Path) -> None:
    output = tmp_path / "neighbours"
    code, shown, _ = neighbours("--records", records, "--model", model, "--against", "none", "--output", output)
    assert code == 0
    report = json.loads((output / "neighbours.json").read_text())
    assert report["schema"] == "marque.neighbours/1"
    assert len(report["classes"]) == 3
    assert report["chance"] == {"known": pytest.approx(1 / 3), "unseen": 0.5}
    assert list(report["results"]) == ["embedding", "untrained none"]
    assert report["results"]["embedding"] != report["results"]["untrained none"]

    opened = open_records([records])
    network = keras.models.load_model(model / "model.keras", compile=False)
    embedded, labels = {}, {}
    with Reader(opened, TrainConfig(image_px=32)) as reader:
        for split in ("train", "validation", "test"):
            read = list(reader.validation(split))
            embedded[split] = np.concatenate([network(photos)["embedding"] for photos, _ in read])
            labels[split] = np.concatenate([truth["logits"].numpy().argmax(-1) for _, truth in read])
    ours = {split: of_split < 3 for split, of_split in labels.items()}
    peer = KNeighborsClassifier(1, metric="cosine").fit(embedded["train"][ours["train"]], labels["train"][ours["train"]])
    right = peer.score(embedded["test"][ours["test"]], labels["test"][ours["test"]])
    unseen = np.concatenate([embedded[split][~ours[split]] for split in labels])
    classes = np.concatenate([labels[split][~ours[split]] for split in labels])
    found = NearestNeighbors(n_neighbors=1, metric="cosine").fit(unseen).kneighbors(return_distance=False)[:, 0]
    figures = report["results"]["embedding"]
    assert figures["known_1nn"]["value"] == pytest.approx(right)
    assert figures["unseen_recall_at_1"]["value"] == pytest.approx(np.mean(classes[found] == classes))
    assert report["photos"] == {"gallery": ours["train"].sum(), "queries": ours["test"].sum(), "unseen": len(unseen)}

    assert all(word in shown for word in ("embedding", "untrained", "chance", "known", "unseen", "R@1"))
    with Image.open(output / "neighbours.png") as picture:
        assert len(picture.convert("RGB").getcolors(2**24) or []) > 1000


@pytest.mark.slow
def test_a_model_trained_with_randaugment(records: Path, model: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(model, tmp_path / "model")
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "augment": "graph", "randaugment": 2}))
    code, _, error = neighbours("--records", records, "--model", folder, "--output", tmp_path / "neighbours")
    assert code == 0, error


@pytest.mark.slow
def test_the_picture_frames_right_and_wrong_neighbours_and_every_word_is_readable() -> None:
    classes = ["Mercedes-Benz Sprinter Van 2012", "AM General Hummer SUV 2000", "FIAT 500 Convertible 2012", "Audi A5 Coupe 2012"]
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 20)
    splits = np.tile(np.repeat(["train", "test"], 10), 4)
    embeddings = rng.normal(size=(80, 4)).astype(np.float32)
    panels = gallery.panels(
        embeddings, labels, classes, measure.known(labels, splits, 2), measure.unseen(labels, classes, 2), seed=0
    )
    photos = rng.integers(0, 256, (80, 32, 32, 3), np.uint8)
    figure = gallery.draw(panels, dict(enumerate(photos)))

    for panel, part in zip(panels, figure.subfigs, strict=True):
        cells = np.array(part.axes).reshape(gallery.ROWS, -1)
        for row, query, neighbours in zip(cells, panel.queries, panel.neighbours, strict=True):
            assert query not in neighbours
            for axes, number in zip([row[0], *row[2:]], [query, *neighbours], strict=True):
                np.testing.assert_array_equal(axes.images[0].get_array(), photos[number])
            titles = [axes.get_title().replace("\n", " ") for axes in row[2:]]
            wrong = [not title.replace(".", "").replace("-", "").isdigit() for title in titles]
            assert wrong == (labels[neighbours] != labels[query]).tolist()
            frames = [axes.spines["left"].get_edgecolor() for axes in row[2:]]
            assert [frame[0] > frame[2] for frame in frames] == wrong
    assert set(labels[panels[0].queries]) == {0, 1}
    assert set(labels[panels[1].queries]) == {2, 3}

    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    words = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    places = [text.get_window_extent() for text in words]
    assert all(figure.bbox.padded(1).fully_containsx(x) for place in places for x in (place.x0, place.x1))
    crossing = [
        (words[i].get_text(), words[j].get_text()) for i in range(len(words)) for j in range(i) if places[i].overlaps(places[j])
    ]
    assert crossing == []


@pytest.mark.slow
def test_wrong_use_ends_in_one_line_and_writes_nothing(
    records: Path, model: Path, toy_records: list[Path], toy_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "neighbours"
    toy = [f"--records={folder}" for folder in toy_records]
    for arguments, expected in [
        ([*toy, "--model", toy_model], "expected a model with an embedding, found none"),
        ([*toy, "--model", model], "expected a model of the classes of these records, found one of other classes"),
        (["--records", records, "--model", tmp_path], "expected config.json and model.keras, as train writes them, found none"),
        (["--records", records, "--model", model, "--against", "no.weights.h5"], "weights: expected imagenet, none, or a"),
        (
            ["--records", records, "--model", model, "--against", "none", "--against", "none"],
            "against: expected weights of different",
        ),
    ]:
        code, _, error = neighbours(*arguments, "--output", output)
        assert code == 1
        assert expected in error
        assert "Traceback" not in error
        assert not output.exists()
