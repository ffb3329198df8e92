"""The dataset's photos, filtered and counted."""

from pathlib import Path

import pytest

from components.common.dataset import open_dataset
from serving.app.distributions import ORDERS, by_class_and_split, chosen, with_sizes


@pytest.fixture(scope="module")
def rows(toy_dataset: Path):
    return with_sizes(open_dataset(toy_dataset))


def test_filters_add_up(rows) -> None:
    name = rows["class"].iloc[0]
    assert len(chosen(rows, None, [], "", "as they lie")) == len(rows)
    found = chosen(rows, "test", [name], f"{str(name)[:4].upper()} cars_test", "as they lie")
    assert 0 < len(found) == ((rows["split"] == "test") & (rows["class"] == name)).sum()
    assert chosen(rows, "train", [], "cars_test", "as they lie").empty
    assert chosen(rows, None, [], "[", "as they lie").empty  # words, not a pattern


@pytest.mark.parametrize("order", [order for order, (column, _) in ORDERS.items() if column])
def test_orders(rows, order: str) -> None:
    column, ascending = ORDERS[order]
    values = chosen(rows, None, [], "", order)[column].tolist()
    assert values == sorted(values, reverse=not ascending)
    assert 0 < min(rows["share"]) <= max(rows["share"]) <= 1


def test_counts_are_of_every_split(rows) -> None:
    counts = by_class_and_split(rows)
    assert list(counts.columns) == ["train", "validation", "test"]
    assert counts.to_numpy().sum() == len(rows)
    assert by_class_and_split(rows[rows["split"] == "test"])["train"].sum() == 0
