"""The app's script, which Streamlit runs anew at every click: pages along the top, one sentence where something is missing."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import streamlit as st

from serving.app import theme
from serving.app.sources import Sources
from serving.app.views import compare, explore, predict, report, shown, thresholds

PAGES: dict[str, Callable[[Sources], None]] = {
    "Predict": predict.show,
    "Explore": explore.show,
    "Thresholds": thresholds.show,
    "Compare": compare.show,
    "Report": report.show,
}


st.set_page_config("Marque", theme.icon(), layout="wide")
st.html(theme.css(theme.of(st.context.theme.type)) + f"<style>{Path(__file__).with_name('style.css').read_text('utf-8')}</style>")
sources = Sources.from_environment()
pages = [
    st.Page(partial(shown, show, sources), title=title, url_path=title.lower(), default=title == "Predict")
    for title, show in PAGES.items()
]
chosen = st.navigation(pages, position="hidden")
with st.container(horizontal=True, wrap=False, key="nav"):  # Streamlit's own bar hides behind a button on a phone
    for page in pages:
        st.page_link(page, width="content")
chosen.run()
