"""The photos that a measurement works on, in each of their states on disk."""

from dataclasses import dataclass
from pathlib import Path

BATCH = 32
SEED = 0


@dataclass(frozen=True)
class PhotoSet:
    """A source, and the folder with what the steps make of it."""

    source: Path
    work: Path

    @property
    def dataset(self) -> Path:
        return self.work / "dataset"

    @property
    def records(self) -> Path:
        return self.work / "records"
