"""Compare: the same photo put to two versions, the figures of their published evaluations, and what the server has loaded."""

from html import escape

import pandas as pd
import streamlit as st

from components.common.evaluation import read_metrics
from serving.app import asking, opened, targets
from serving.app.evaluations import Evaluation, agreement, differences, evaluations
from serving.app.picker import pick
from serving.app.sources import Sources


def show(sources: Sources) -> None:
    """The page."""
    st.title("Two versions")
    _figures(sources)
    st.header("The same photo")
    choices = asking.known_targets(sources)
    if choices:
        _photo(sources, choices)
    st.header("On the server")
    status = targets.status(sources.server_address(), sources.model)
    labels = sources.labels()
    rows = [
        (
            entry.version,
            ", ".join(sorted(name for name, version in labels.items() if version == entry.version)),
            entry.state,
            entry.message,
        )
        for entry in status
    ]
    st.caption(f"What {sources.server} says of {sources.model}")
    st.dataframe(pd.DataFrame(rows, columns=["version", "labels", "state", "message"]), hide_index=True)


def _photo(sources: Sources, choices: list[targets.Target]) -> None:
    with st.container(border=True, key="card-photo"):
        chosen = pick(sources)
    sides = st.columns(2, gap="large")
    for place, (side, what) in enumerate(zip(sides, ("First", "Second"), strict=True)):
        with side:
            target = asking.choose(what, choices, place)
            if chosen is not None:
                prediction = asking.answer(sources, target, chosen)
                asking.show_photo(chosen.image(), chosen, prediction)
                asking.show_answers(chosen, prediction)
    if chosen is None:
        st.caption("Choose a photo, and both answers stand here.")


def _figures(sources: Sources) -> None:
    st.header("Their evaluations")
    published = [entry for entry in evaluations(sources.repository, sources.model, "") if entry.version is not None]
    if len(published) < 2:
        st.info(
            f"{len(published)} of the two evaluations that it takes are published with a version; deploy another version "
            f'(`make demo SET="seed=2"`){"" if sources.repository else ", or start the app with --repository FOLDER"}.'
        )
        return
    left, right = st.columns(2)
    by_text = {entry.text: entry for entry in published}
    first = by_text[left.selectbox("From", list(by_text), index=1, key="from", persist_state="session")]
    second = by_text[right.selectbox("To", list(by_text), index=0, key="to", persist_state="session")]
    with st.container(border=True, key="card-figures"):
        st.html(_table(differences(read_metrics(first.folder), read_metrics(second.folder), (first.text, second.text))))
        st.caption(_agreement(first, second))


def _table(table: pd.DataFrame) -> str:
    head = "".join(f"<th>{escape(str(name))}</th>" for name in table.columns[:-1])
    body = ""
    for *cells, difference, better in table.itertuples(index=False):
        kind = "m-quiet" if better is None else "m-good" if better else "m-bad"
        body += f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}<td class={kind}>{escape(difference)}</td></tr>"
    return f'<table class="m-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _agreement(first: Evaluation, second: Evaluation) -> str:
    counts = agreement(opened.predictions(first.folder)[1], opened.predictions(second.folder)[1])
    if counts is None:
        return (
            "They were evaluated on different photos, so a difference may come from these; "
            "`python -m components.evaluate compare` asks both about the same."
        )
    return (
        f"The same {sum(counts.values()):,} test photos: {counts['both']:,} recognised by both, "
        f"{counts['first']:,} by {first.text} alone, {counts['second']:,} by {second.text} alone, {counts['neither']:,} by neither."
    )
