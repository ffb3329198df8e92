"""The demo's steps, server and client in their containers."""

import os
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from components.common.errors import UserError
from components.common.repository import CONFIG, STABLE
from pipelines.containers import runner
from pipelines.images.build import build
from pipelines.images.contents import references
from pipelines.images.engine import Engine, find, hand_over
from pipelines.resources import Images
from pipelines.run import Result, run_locally

NEEDED = ("data", "trainer", "server", "client")
ADDRESS = "localhost:8500"
SERVER_START_S = 300.0


class Containers:
    """A `pipelines.demo.Machine`; `images` are built at once where they are not there yet."""

    def __init__(self, engine: str = "", base: str = "") -> None:
        self._engine = find(engine)
        self._names = references()
        self.images: Images = self._names
        console = Console(soft_wrap=True, highlight=False)
        for name in NEEDED:
            if not self._engine.succeeds("image", "inspect", self._names[name]):
                console.print(f"building {self._names[name]} with {self._engine.name}")
                build(self._engine, {name: self._names[name]}, base)

    def run(self, pipeline: Path, parameters: dict[str, Any], folder: Path) -> Result:
        """As `pipelines.run.run_locally`."""
        with runner(self._engine, folder, parameters) as containers:
            return run_locally(pipeline, parameters, folder, containers)

    def ask(self, repository: Path, photos: Sequence[Path], folder: Path) -> None:
        """Starts the server's image, and asks it with the client's; the client sees the photos and `folder/answers`, no more.

        Raises:
            UserError: the server did not start, or did not answer.
        """
        answers = folder.absolute() / "answers"
        shutil.rmtree(answers, ignore_errors=True)
        hand_over(answers)
        shown = photos[0].parent.absolute()
        inside = [str(photo.absolute()) for photo in photos]
        words = [*inside, f"--server={ADDRESS}", f"--label={STABLE}", f"--save={answers}", "--top=3"]
        with _server(self._engine, self._names["server"], repository.absolute()) as name:
            self._engine.run(
                "run",
                "--rm",
                *self._engine.hardened,
                *self._engine.user_flags,
                f"--network=container:{name}",
                f"--volume={shown}:{shown}:ro",
                f"--volume={answers}:{answers}",
                self._names["client"],
                "predict",
                *words,
            )


@contextmanager
def _server(engine: Engine, image: str, repository: Path) -> Iterator[str]:
    """The name of a container that serves `repository`, at the same path inside, as its models.config names it."""
    name = f"marque-server-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    serve = ["serve", f"--config={repository / CONFIG}"]
    # podman leaves health checks to systemd, which is not everywhere; here they are asked for by hand
    flags = ["--detach", f"--name={name}", "--no-healthcheck", *engine.hardened, f"--volume={repository}:{repository}:ro"]
    engine.run("run", *flags, image, *serve, quiet=True)
    try:
        deadline = time.monotonic() + SERVER_START_S
        while not engine.succeeds("exec", name, "python3", "-m", "serving.server.health"):
            if time.monotonic() > deadline or engine.read("inspect", "--format={{.State.Running}}", name) != "true":
                said = engine.logs(name).splitlines() or ["it said nothing"]
                raise UserError(f"the server's container did not start: {said[-1]}")
            time.sleep(0.2)
        yield name
    finally:
        engine.run("rm", "--force", name, quiet=True)
