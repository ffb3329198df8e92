"""The command on a model that train wrote: its files, its choices, and one line for each wrong use."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import ExifTags, Image

from components.common.records import open_records
from components.evaluate.__main__ import main
from components.evaluate.explain import ascent, dream, step
from components.evaluate.explain.network import load_network
from components.evaluate.explain.photos import read_photo
from components.evaluate.explain.pictures import panels


@pytest.fixture
def photos(toy_records: list[Path], tmp_path: Path) -> list[Path]:
    """Two drawn cars of different classes, one as a PNG."""
    jpegs = [example["jpeg"] for example in open_records(toy_records).examples("test")]
    (tmp_path / "car.jpg").write_bytes(jpegs[0])
    Image.open(io.BytesIO(jpegs[-1])).save(tmp_path / "car.png")
    return [tmp_path / "car.jpg", tmp_path / "car.png"]


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the ascent and the dream, and small dreams, as these tests look at files."""
    monkeypatch.setitem(ascent.ascent.__kwdefaults__, "steps", 2)
    monkeypatch.setitem(dream.dream.__kwdefaults__, "steps", 1)
    monkeypatch.setattr(step, "DREAM_LEAST_PX", 64)
    monkeypatch.setattr(step, "DREAM_MOST_PX", 96)


def explain(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["explain", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.slow
def test_the_files(photos: list[Path], toy_model: Path, tmp_path: Path) -> None:
    classes = load_network(toy_model).classes
    asked, file = classes[1].upper(), "-".join(classes[1].split())
    outputs = [tmp_path / "out", tmp_path / "again"]
    for output in outputs:
        code, shown, error = explain(*photos, "--model", toy_model, "--class", asked, "--output", output)
        assert code == 0, error
        names = ["car-heat.jpg", "car-dream.jpg", "car-2-heat.jpg", "car-2-dream.jpg", f"{file}-ascent.png"]
        assert shown.split("\n")[:-1] == [str(output / name) for name in names]
        assert sorted(path.name for path in output.iterdir()) == sorted(names)
    for name in names:
        assert (outputs[0] / name).read_bytes() == (outputs[1] / name).read_bytes()
    with Image.open(photos[0]) as photo, Image.open(outputs[0] / "car-dream.jpg") as dreamt:
        assert max(dreamt.size) == 96
        assert dreamt.width / dreamt.height == pytest.approx(photo.width / photo.height, rel=0.02)


@pytest.mark.slow
def test_each_answered_class_has_its_ascent(photos: list[Path], toy_model: Path, tmp_path: Path) -> None:
    network = load_network(toy_model)
    answers = network.model.predict(np.stack([read_photo(path, 32).pixels for path in photos]).astype(np.float32), verbose=0)
    answered = {"-".join(network.classes[number].split()) for number in answers["logits"].argmax(-1)}
    code, _, error = explain(*photos, "--model", toy_model, "--output", tmp_path / "out", "--layer", "block_1_expand_relu")
    assert code == 0, error
    assert {path.name.removesuffix("-ascent.png") for path in (tmp_path / "out").glob("*-ascent.png")} == answered


def test_panels_are_to_scale_with_the_box_and_captions_that_fit() -> None:
    photo = Image.new("RGB", (60, 30), (0, 90, 200))
    cold, hot = np.zeros((2, 2), np.float32), np.array([[0, 1], [0, 0]], np.float32)
    page = np.asarray(panels(photo, np.array([0.25, 0.5, 0.75, 1], np.float32), hot, cold, ["a car" * 200, "", "box"])).astype(int)
    assert page.shape == (240 + 8 + 30, 3 * 488 + 8, 3)
    first, second, third = (page[8:248, left : left + 480] for left in (8, 496, 984))
    red = np.argwhere((first == (220, 20, 30)).all(-1))
    assert red.min(0).tolist() == [120, 120]
    assert red.max(0).tolist() == [239, 359]
    assert (second[20:60, 400:, 0] > 150).all()
    assert np.ptp(third) == 0
    captions = page[248:]
    assert [bool((captions[:, left : left + 480] < 128).any()) for left in (8, 496, 984)] == [True, False, True]
    assert (captions[:, 488:496] == 255).all()


def test_a_sideways_photo_is_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    stored = np.zeros((40, 80, 3), np.uint8)
    stored[:, :40] = 255
    Image.fromarray(stored).save(tmp_path / "phone.jpg", exif=exif)
    photo = read_photo(tmp_path / "phone.jpg", 32)
    assert photo.image.size == (40, 80)
    assert photo.pixels[:12].min() > 240
    assert photo.pixels[20:].max() < 15


def broken(folder: Path, model: Path, name: str, content: bytes) -> Path:
    copied = shutil.copytree(model, folder)
    (copied / name).write_bytes(content)
    return copied


@pytest.mark.slow
def test_wrong_use_ends_in_one_line_and_writes_nothing(photos: list[Path], toy_model: Path, tmp_path: Path) -> None:
    config = json.loads((toy_model / "config.json").read_text())
    name = config["classes"][0]
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(photos[0].read_bytes()[:1500])
    text = tmp_path / "text.jpg"
    text.write_text("no photo")
    without_classes = {key: value for key, value in config.items() if key != "classes"}
    damaged = (toy_model / "model.keras").read_bytes()
    for arguments, expected in [
        ([tmp_path / "no.jpg", "--model", toy_model], "no.jpg: expected a photo, found no such file"),
        ([tmp_path, "--model", toy_model], f"{tmp_path}: expected a photo, found a folder"),
        ([text, "--model", toy_model], "text.jpg: expected a photo (JPEG, PNG, ...), whole, received what does not decode"),
        ([cut, "--model", toy_model], "cut.jpg: expected a photo (JPEG, PNG, ...), whole, received what does not decode"),
        (
            [photos[0], "--model", tmp_path / "no"],
            "expected config.json and model.keras, as train writes them, found no config.json",
        ),
        (
            [photos[0], "--model", toy_model, "--class", "Zeppelin"],
            "expected one of the 3 classes of the model, received 'Zeppelin'",
        ),
        ([photos[0], "--model", toy_model, "--class", f"{name}s"], f"did you mean '{name}'"),
        ([photos[0], "--model", toy_model, "--class", name[3:]], f"did you mean '{name}'"),
        ([photos[0], "--model", toy_model, "--layer", "block_1_expand_rel"], "such as block_1_expand_relu"),
        (
            [photos[0], "--model", broken(tmp_path / "a", toy_model, "model.keras", damaged[:-2000])],
            "expected a model as train writes",
        ),
        ([photos[0], "--model", broken(tmp_path / "b", toy_model, "config.json", b"{")], "expected JSON with classes and image_px"),
        (
            [photos[0], "--model", broken(tmp_path / "c", toy_model, "config.json", json.dumps(without_classes).encode())],
            "config.json: expected JSON with classes and image_px, as train writes it: KeyError('classes')",
        ),
        (
            [photos[0], "--model", broken(tmp_path / "d", toy_model, "config.json", b'{"classes": ["a"], "image_px": 32}')],
            "expected a model of 1 classes and 32 px as config.json says, found one of 3 classes and 32 px",
        ),
    ]:
        code, _, error = explain(*arguments, "--output", tmp_path / "out")
        assert (code, len(error.strip().split("\n"))) == (1, 1), error
        assert expected in error
        assert not (tmp_path / "out").exists()
    code, _, error = explain(photos[0], "--model", toy_model, "--output", cut)
    assert code == 1
    assert f"{cut}: expected a folder to write, found a file" in error
