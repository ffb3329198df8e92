"""Photos and a trained model -> pictures of what the model looks at, what it takes a class for, and what it sees.

In the output folder, each file whole or not at all; others there are left alone:

    <photo>-heat.jpg     the photo with its predicted box, beside it where the class and where the box come from (`heat`)
    <class>-ascent.png   what the model thinks that each explained class is (`ascent`)
    <photo>-dream.jpg    the photo with what a middle layer sees in it (`dream`)
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from components.common.errors import UserError
from components.common.whole import whole_file
from components.evaluate.explain.ascent import ascent
from components.evaluate.explain.dream import dream, dream_layer
from components.evaluate.explain.heat import heat_maps
from components.evaluate.explain.network import Network, load_network
from components.evaluate.explain.photos import Photo, read_photo
from components.evaluate.explain.pictures import panels, scaled

DREAM_LEAST_PX = 512
DREAM_MOST_PX = 1024
JPEG_QUALITY = 92


def run(photos: Sequence[Path], model: Path, output: Path, *, class_name: str = "", layer: str = "", seed: int = 0) -> list[Path]:
    """Explains each photo, and draws each class that was explained.

    Args:
        photos: files.
        model: the folder that train wrote.
        output: the folder to write into.
        class_name: the class to explain; by default the one that the model answers.
        layer: of the backbone, for the dreams; by default see `dream.dream_layer`. A dream's longer side is that of its photo,
            or the nearest of 512 to 1024 pixels.
        seed: of ascents and dreams; the same gives the same files on the same CPU.

    Returns:
        The files, photo by photo, then the classes.

    Raises:
        UserError: no photo or no model there, or damaged ones; a class or a layer that the model has not; `output` is a file.
    """
    if output.exists() and not output.is_dir():
        raise UserError(f"{output}: expected a folder to write, found a file; name another place")
    network = load_network(model)
    asked = network.id_of(class_name) if class_name else None
    dream_layer(network, layer)
    opened = [read_photo(path, network.image_px) for path in photos]
    output.mkdir(parents=True, exist_ok=True)

    ids, heats = _explain(network, opened, asked)
    stems = _distinct(photo.stem for photo in opened)
    written = []
    for photo, stem, heat in zip(opened, stems, heats, strict=True):
        written.append(_save(output / f"{stem}-heat.jpg", heat))
        small = np.asarray(scaled(photo.image, DREAM_LEAST_PX, DREAM_MOST_PX))
        written.append(_save(output / f"{stem}-dream.jpg", Image.fromarray(dream(network, small, layer=layer, seed=seed))))
    classes = sorted(set(ids))
    for number, name in zip(classes, _distinct(network.classes[number] for number in classes), strict=True):
        written.append(_save(output / f"{name}-ascent.png", Image.fromarray(ascent(network, number, seed=seed))))
    return written


def _explain(network: Network, photos: Sequence[Photo], asked: int | None) -> tuple[list[int], list[Image.Image]]:
    """The class explained of each photo, and the photo's panels."""
    answers = network.model.predict(np.stack([photo.pixels for photo in photos]).astype(np.float32), verbose=0)
    answered = answers["logits"].argmax(-1).tolist()
    ids = answered if asked is None else [asked] * len(photos)
    heat = heat_maps(network, [photo.jpeg for photo in photos], ids)
    odds = np.exp(answers["logits"] - answers["logits"].max(-1, keepdims=True))
    scores = odds / odds.sum(-1, keepdims=True)
    drawn = []
    for row, photo in enumerate(photos):
        answer, explained = (f"{network.classes[each]}, {scores[row, each]:.0%}" for each in (answered[row], ids[row]))
        captions = (answer, f"heat: what speaks for {explained}", "heat: what drives the edges of the box")
        drawn.append(panels(photo.image, answers["box"][row], heat.classes[row], heat.boxes[row], captions))
    return ids, drawn


def _distinct(names: Iterable[str]) -> list[str]:
    """Names of files: what a file's name cannot hold is a dash, and one that was there before (in any case) has a number."""
    taken: set[str] = set()
    files = []
    for name in names:
        wanted = file = re.sub(r"[^\w.+-]+", "-", name).strip("-") or "unnamed"
        number = 1
        while file.lower() in taken:
            number += 1
            file = f"{wanted}-{number}"
        taken.add(file.lower())
        files.append(file)
    return files


def _save(path: Path, picture: Image.Image) -> Path:
    with whole_file(path) as partial:
        picture.save(partial, "PNG" if path.suffix == ".png" else "JPEG", quality=JPEG_QUALITY)
    return path
