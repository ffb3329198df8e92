"""One module a page of the app; each has `show(sources)`, and what it cannot show is a `UserError` that says what to run."""

from collections.abc import Callable

import streamlit as st

from components.common.errors import UserError
from serving.app.sources import Sources


def shown(show: Callable[[Sources], None], sources: Sources) -> None:
    """The page; what a user can mend is one line on it."""
    try:
        show(sources)
    except UserError as error:
        # Names from outside are in it, and Streamlit reads it as Markdown: none may become a picture from elsewhere.
        st.error(str(error).replace("[", r"\["), icon=":material/error:")
