"""Predict: a photo, what a version takes it for, where it sees the car, and what in the photo that hangs on."""

import streamlit as st

from serving.app import asking, occlusion, targets
from serving.app.occlusion import GRIDS, SIDE_PX, Heat
from serving.app.picker import Chosen, pick
from serving.app.sources import Sources
from serving.app.targets import Target
from serving.client.wire import Prediction

KEPT_HEATS = 16
OF_SCORE, OF_BOX = "the best answer", "the box"


def show(sources: Sources) -> None:
    """The page."""
    st.title("What car is it?")
    choices = asking.known_targets(sources)
    if not choices:
        st.info(f"The server at {sources.server} has no version of {sources.model} loaded; run `make demo`, or deploy one.")
        return
    with st.container(border=True, key="card-photo"):
        chosen = pick(sources)
        target = asking.choose("Ask", choices)
    if chosen is None:
        st.caption("Choose a photo, and its answers stand here.")
        return
    image = chosen.image()
    prediction = asking.answer(sources, target, chosen)
    heat = _wanted_heat(sources, chosen, prediction)
    photo, answers = st.columns([3, 2], gap="large")
    with photo:
        asking.show_photo(image, chosen, prediction, None if heat is None else _overlay(heat, *image.size))
    with answers:
        st.subheader("Five answers" if len(prediction.labels) == 5 else "Answers")
        asking.show_answers(chosen, prediction)
        _heat_controls(chosen, prediction, heat)


def _heat_controls(chosen: Chosen, prediction: Prediction, heat: Heat | None) -> None:
    st.subheader("Heat map")
    st.caption(
        "A gray patch hides one part of the photo after the other, and each time the model is asked; hot is what it misses most."
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.select_slider("Parts along the longer side", GRIDS, value=GRIDS[1], key="grid", persist_state="session")
        if st.button("Draw it", icon=":material/blur_on:", disabled=heat is not None):
            st.session_state["heat of"] = _key(chosen, prediction)
            st.rerun()
    if heat is None:
        return
    st.segmented_control("Hot is what matters for", [OF_SCORE, OF_BOX], default=OF_SCORE, required=True, key="heat kind")
    lost = float(_loss(heat).max())
    scale = f"at most {100 * lost:.0f} points of the score" if _kind() == OF_SCORE else f"at most {lost:.2f} of the box's IoU"
    words = f"nothing → {scale} lost" if lost > occlusion.FAINT else "no single part matters here"
    st.html(f'<p class="m-legend"><span><i class="m-ramp"></i>{words}</span></p>')


def _wanted_heat(sources: Sources, chosen: Chosen, prediction: Prediction) -> Heat | None:
    """Of this photo and this version, where the button was pressed."""
    if st.session_state.get("heat of") != _key(chosen, prediction):
        return None
    cells = int(st.session_state.get("grid", GRIDS[1]))
    return _heat(sources.server_address(), sources.model, prediction.version, chosen.name, chosen.data, cells)


@st.cache_data(max_entries=KEPT_HEATS, show_spinner=f"Asking about the photo ({SIDE_PX} px) with its parts hidden")
def _heat(server: str, model: str, version: int, name: str, data: bytes, cells: int) -> Heat:
    target = Target(f"version {version}", version=version)  # a label may move while it is asked
    image = Chosen(name, data).image()
    return occlusion.heat(image, cells, lambda jpegs: targets.ask(server, model, target, list(jpegs), name))


def _overlay(heat: Heat, width: int, height: int) -> bytes:
    scale = min(1.0, SIDE_PX / max(width, height))
    return occlusion.overlay(_loss(heat), max(1, round(width * scale)), max(1, round(height * scale)))


def _loss(heat: Heat) -> occlusion.Floats:
    return heat.score if _kind() == OF_SCORE else heat.box


def _kind() -> str:
    return str(st.session_state.get("heat kind", OF_SCORE))


def _key(chosen: Chosen, prediction: Prediction) -> tuple[int, int]:
    return hash(chosen.data), prediction.version
