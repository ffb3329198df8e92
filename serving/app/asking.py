"""Putting a photo to a version, on the page: the choice of the version, the answer, and the photo with its boxes."""

import streamlit as st
from PIL import Image

from components.common import boxes
from serving.app import drawing, targets
from serving.app.picker import Chosen
from serving.app.sources import Sources
from serving.app.targets import Target
from serving.client.wire import Prediction


def known_targets(sources: Sources) -> list[Target]:
    """Whom the server can be asked about; empty where it has nothing loaded.

    Raises:
        UserError: there is no server, or it does not answer.
    """
    status = targets.status(sources.server_address(), sources.model)
    return targets.targets(status, sources.labels())


def choose(what: str, choices: list[Target], place: int = 0) -> Target:
    """A select box; `place` is what it shows at first."""
    by_text = {target.text: target for target in choices}
    text = st.selectbox(what, list(by_text), index=min(place, len(choices) - 1), key=what, persist_state="session")
    return by_text[text]


def answer(sources: Sources, target: Target, chosen: Chosen) -> Prediction:
    """What the version says of the photo.

    Raises:
        UserError: it says nothing.
    """
    return targets.ask(sources.server_address(), sources.model, target, [chosen.data], chosen.name)[0]


def show_photo(image: Image.Image, chosen: Chosen, prediction: Prediction, over: bytes | None = None) -> None:
    """The photo with the predicted box and, of a test photo, the true one."""
    edges = {} if chosen.box is None else {drawing.TRUE: chosen.box}
    edges[drawing.PREDICTED] = prediction.box
    words = f"{chosen.name} with the predicted box of a {prediction.labels[0]}"
    st.html(f'<div class="m-large">{drawing.photo(drawing.picture(image), edges, words, over)}</div>')
    entries = [(drawing.PREDICTED, "predicted box")]
    if chosen.box is not None:
        overlap = float(boxes.iou(chosen.box, prediction.box))
        entries = [(drawing.TRUE, "true box"), (drawing.PREDICTED, f"predicted box, IoU {overlap:.2f}")]
    st.html(drawing.legend(entries))


def show_answers(chosen: Chosen, prediction: Prediction) -> None:
    """The answers with their scores, which version gave them, and of a test photo whether the best is right."""
    st.html(drawing.bars(prediction.labels, prediction.scores, chosen.truth))
    said = f"Answered by version {prediction.version}."
    if chosen.truth:
        said += " The best answer is right." if chosen.truth == prediction.labels[0] else f" The true class is {chosen.truth}."
    st.html(drawing.note(said))
