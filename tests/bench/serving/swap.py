"""Versions roll out and back while clients never stop asking; nothing is tried again, so nothing lost is hidden."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.common.errors import UserError
from components.common.repository import CONFIG, STABLE
from serving.client.aio import AsyncClient
from serving.client.client import Client
from serving.client.labels import read_config
from serving.client.move import move_label
from tests.bench.serving.server_process import serving
from tests.bench.serving.setting import MODEL

CLIENTS = 4
LOAD_S = 60.0
ORDER = (2, 3, 4, 3, 5, 4, 6)
"""The versions that become stable after version 1: five new ones, two former ones."""


@dataclass
class Asked:
    """What clients saw: answers by version, failures in words, and answers whose labels are not of the version they name."""

    answers: dict[int, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    mixed: int = 0
    longest_s: float = 0.0


def swap_under_load(repository: Path, photos: list[Path], seconds: float) -> dict[str, Any]:
    """Figures of `seconds` of requests while the label moves along `ORDER`, evenly spread."""
    config = repository / CONFIG
    config.write_text(_loading(repository, 1), "utf-8")
    asked = Asked()
    with serving(f"--config={config}", "--rest-port=-1", "--poll-s=0") as server:
        asyncio.run(_ask_and_move(server.address, config, photos, seconds, asked))
    return {
        "seconds": seconds,
        "answers": sum(asked.answers.values()),
        "failed": len(asked.failures),
        "mixed": asked.mixed,
        "versions_seen": sorted(asked.answers),
        "longest_ms": round(asked.longest_s * 1e3, 1),
        "failures": asked.failures[:5],
    }


async def _ask_and_move(address: str, config: Path, photos: list[Path], seconds: float, asked: Asked) -> None:
    end = time.monotonic() + seconds
    async with AsyncClient(address, MODEL, label=STABLE, retries=0, concurrency=CLIENTS) as client:
        clients = [_ask(client, photos[number::CLIENTS], lambda: time.monotonic() < end, asked) for number in range(CLIENTS)]
        await asyncio.gather(*clients, asyncio.to_thread(_move, address, config, seconds))


async def _ask(client: AsyncClient, photos: list[Path], going_on: Callable[[], bool], asked: Asked) -> None:
    number = 0
    while going_on():
        began = time.monotonic()
        try:
            [prediction] = await client.predict([photos[number % len(photos)]])
        except UserError as error:
            asked.failures.append(str(error))
        else:
            asked.answers[prediction.version] = asked.answers.get(prediction.version, 0) + 1
            asked.mixed += any(not label.startswith(f"{prediction.version} ") for label in prediction.labels)
        asked.longest_s = max(asked.longest_s, time.monotonic() - began)
        number += 1


def _move(address: str, config: Path, seconds: float) -> None:
    """Each move: the new version is loaded, the label follows, the former version goes."""
    began = time.monotonic()
    with Client(address, MODEL, deadline_s=LOAD_S) as client:
        for number, version in enumerate(ORDER):
            time.sleep(max(0.0, began + seconds * (number + 0.5) / len(ORDER) - time.monotonic()))
            move_label([client], str(config), MODEL, STABLE, version, LOAD_S)
            config.write_text(_loading(config.parent, version), "utf-8")
            client.reload(read_config(config.read_text("utf-8")))


def _loading(repository: Path, stable: int) -> str:
    """A config with this one version."""
    return (
        f'model_config_list {{ config {{ name: "{MODEL}" base_path: "{repository.absolute() / MODEL}" model_platform: "tensorflow" '
        f'model_version_policy {{ specific {{ versions: {stable} }} }} version_labels {{ key: "{STABLE}" value: {stable} }} }} }}'
    )
