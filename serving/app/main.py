"""The app's script, which Streamlit runs anew at every click: pages along the top, one sentence where something is missing."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from components.common.errors import UserError
from serving.app import theme
from serving.app.sources import Sources
from serving.app.views import compare, explore, predict, report, thresholds

PAGES: dict[str, tuple[str, Callable[[Sources], None]]] = {
    "Predict": (":material/directions_car:", predict.show),
    "Explore": (":material/photo_library:", explore.show),
    "Thresholds": (":material/tune:", thresholds.show),
    "Compare": (":material/compare:", compare.show),
    "Report": (":material/summarize:", report.show),
}


def shown(show: Callable[[Sources], None], sources: Sources) -> None:
    """The page; what a user can mend is one line on it."""
    try:
        show(sources)
    except UserError as error:
        st.error(str(error), icon=":material/error:")


st.set_page_config("Marque", theme.icon(), layout="wide")
st.html(theme.css(theme.of(st.context.theme.type)) + f"<style>{Path(__file__).with_name('style.css').read_text('utf-8')}</style>")
sources = Sources.from_environment()
pages = [
    st.Page(partial(shown, show, sources), title=title, icon=icon, url_path=title.lower(), default=title == "Predict")
    for title, (icon, show) in PAGES.items()
]
st.navigation(pages, position="top").run()
