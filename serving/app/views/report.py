"""Report: the page that evaluate wrote, as it is, or to download where it is too large to sit in a page."""

import streamlit as st

from components.common.errors import UserError
from serving.app.sources import Sources

REPORT = "report.html"
SHOWN_BYTES = 24 << 20
HEIGHT_PX = 860


def show(sources: Sources) -> None:
    """The page."""
    path = sources.evaluation_folder() / REPORT
    if not path.is_file():
        raise UserError(f"{path.parent}: expected an evaluation with {REPORT}, found none; evaluate again")
    page = path.read_bytes()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("The report")
        st.download_button(
            f"Download ({len(page) / 1e6:.1f} MB)", page, REPORT, "text/html", icon=":material/download:", on_click="ignore"
        )
    if len(page) > SHOWN_BYTES:
        st.info(f"The report has {len(page) / 1e6:.0f} MB, too much to show here; download it and open it in a browser.")
    else:
        st.iframe(page.decode("utf-8", "replace"), height=HEIGHT_PX, alt="The evaluation's report")
