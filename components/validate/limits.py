"""What validation asks of a model: the pipeline parameter `validate_settings`."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from components.common.errors import UserError
from components.common.settings import build

MAX_PHOTOS = 4096


@dataclass(frozen=True)
class Limits:
    """`photos` of the evaluated split to replay, evenly spaced; `deadline_s` for the server's start and all requests together;
    `max_p99_ms`, of a request with one photo; `max_memory_mb`, the server's peak of resident memory.

    Raises:
        UserError: a number that is not above 0, or more photos than `MAX_PHOTOS`, which are held in memory.
    """

    photos: int = 64
    deadline_s: float = 300.0
    max_p99_ms: float = 1000.0
    max_memory_mb: float = 4096.0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if not value > 0:
                raise UserError(f"{name}: expected a number above 0, received {value!r}")
        if self.photos > MAX_PHOTOS:
            raise UserError(f"photos: expected at most {MAX_PHOTOS}, received {self.photos}")

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """The limits in `settings`, the others as by default.

        Raises:
            UserError: an unknown name, or a value that is none.
        """
        return build(cls, settings, "validate settings")
