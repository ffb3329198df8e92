"""What a service is to a run."""

from collections.abc import Mapping
from typing import Protocol

Row = Mapping[str, float]


class Tracker(Protocol):
    """A run as one service knows it.

    Attributes:
        id: the run's name there, by which a resumed run goes on; empty where it needs none.
    """

    id: str

    def epoch(self, row: Row) -> None:
        """Reports an epoch, a row of `history.csv`."""

    def close(self, failed: bool) -> None:
        """Ends the run."""
