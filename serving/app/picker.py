"""Choosing the photo that is asked about: uploaded, one of the test photos, or from the web. It stays chosen on every page."""

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

import streamlit as st
from PIL import Image

from components.common import storage
from components.common.errors import UserError
from serving.app import opened
from serving.app.sources import Sources
from serving.app.theme import UPLOAD_MB
from serving.client.photo import open_upright

UPLOAD, TEST, WEB = "Upload", "Test photo", "Web address"
CHOSEN = "chosen photo"
ANY = "any class"
TYPES = ["jpg", "jpeg", "png", "webp", "bmp", "gif", "tif", "tiff"]


@dataclass(frozen=True)
class Chosen:
    """A photo as it came; `truth` and `box` (pixels) are known of a test photo, else "" and None."""

    name: str
    data: bytes
    truth: str = ""
    box: tuple[float, float, float, float] | None = None

    def image(self) -> Image.Image:
        """Upright, RGB. Raises UserError: it does not decode."""
        return open_upright(self.data, self.name)


def pick(sources: Sources) -> Chosen | None:
    """The widgets to choose with; the photo that is chosen, None where there is none yet.

    Raises:
        UserError: what was chosen cannot be read.
    """
    ways = [UPLOAD, *([TEST] if sources.dataset else []), *([WEB] if sources.local else [])]
    way = st.segmented_control("The photo", ways, default=UPLOAD, required=True, key="way", persist_state="session")
    if way == TEST:
        st.session_state[CHOSEN] = _test_photo(sources.dataset_folder())
    elif way == WEB:
        _from_web()
    else:
        _uploaded()
    chosen: Chosen | None = st.session_state.get(CHOSEN)
    return chosen


def _uploaded() -> None:
    file = st.file_uploader(f"A photo of one car, at most {UPLOAD_MB} MB", TYPES, key="upload", max_upload_size=UPLOAD_MB)
    if file is not None:
        st.session_state[CHOSEN] = Chosen(file.name, file.getvalue())


def _test_photo(folder: Path) -> Chosen | None:
    dataset, rows = opened.dataset(folder)
    test = rows[rows["split"] == "test"]
    if test.empty:
        raise UserError(f"{folder}: expected test photos, the dataset has none; upload a photo instead")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox("Class", [ANY, *sorted(test["class"].unique())], key="test class", persist_state="session")
        within = test if name == ANY else test[test["class"] == name]
        files = within["file"].tolist()
        if st.session_state.get("test file") not in files:
            st.session_state["test file"] = files[0]
        if st.button("Another", icon=":material/casino:", help="A test photo at random, of this class"):
            st.session_state["test file"] = random.choice(files)
        file = st.selectbox("Photo", files, key="test file", persist_state="session")
    row = within[within["file"] == file]
    x1, y1, x2, y2 = (float(edge) for edge in row[["x1", "y1", "x2", "y2"]].to_numpy()[0])
    return Chosen(file, next(dataset.photos(row)), str(row["class"].iloc[0]), (x1, y1, x2, y2))


def _from_web() -> None:
    with st.form("web", border=False):
        address = st.text_input("Address of a photo", placeholder="https://…", max_chars=2000).strip()
        if not st.form_submit_button("Fetch") or not address:
            return
    if not address.startswith(("http://", "https://")):
        raise UserError(f"expected the address of a photo, https://…, received {address[:80]!r}")
    with tempfile.TemporaryDirectory(prefix="marque-app-") as scratch, st.spinner("Fetching"):
        photo = storage.fetch(address, Path(scratch), max_bytes=UPLOAD_MB << 20)
        st.session_state[CHOSEN] = Chosen(photo.name, photo.read_bytes())
