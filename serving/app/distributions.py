"""What a dataset is made of: photos of each class and split, sizes of boxes and of photos."""

import pandas as pd

from components.common import boxes
from components.common.dataset import BOX_COLUMNS, SPLITS, Dataset

ORDERS = {
    "as they lie": ("", True),
    "smallest cars first": ("share", True),
    "largest cars first": ("share", False),
    "smallest photos first": ("pixels", True),
    "largest photos first": ("pixels", False),
}


def with_sizes(dataset: Dataset) -> pd.DataFrame:
    """The annotations with `class` (its name), `share` (of the photo that the box takes, 0-1), `pixels` (of the photo)."""
    rows = dataset.annotations
    pixels = rows["width"].astype("int64") * rows["height"]
    return rows.assign(
        **{"class": pd.Categorical.from_codes(rows["label"].tolist(), categories=pd.Index(dataset.classes))},
        share=boxes.area(rows[BOX_COLUMNS].to_numpy()) / pixels,
        pixels=pixels,
    )


def chosen(rows: pd.DataFrame, split: str | None, classes: list[str], words: str, order: str) -> pd.DataFrame:
    """The rows of a split (None: of all), of `classes` (none: of all), with all `words` in the class or the file's name, in one of
    `ORDERS`."""
    if split:
        rows = rows[rows["split"] == split]
    if classes:
        rows = rows[rows["class"].isin(classes)]
    for word in words.casefold().split():
        held = rows["class"].astype(str).str.casefold() + "\n" + rows["file"].str.casefold()
        rows = rows[held.str.contains(word, regex=False)]
    column, ascending = ORDERS[order]
    return rows.sort_values(column, ascending=ascending, kind="stable") if column else rows


def by_class_and_split(rows: pd.DataFrame) -> pd.DataFrame:
    """Photos of each class (rows, most train photos first) and split (columns)."""
    table = pd.crosstab(rows["class"].astype(str), rows["split"]).reindex(columns=list(SPLITS), fill_value=0)
    return table.sort_values(list(SPLITS), ascending=False, kind="stable")
