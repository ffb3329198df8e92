"""A tiny SavedModel with the signature of Marque's export, a repository that holds it, and a running embedded server."""

import io
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tensorflow as tf
from PIL import Image

from serving.server import server as embedded

CLASSES = ["red car", "green car", "blue car"]
START_DEADLINE_S = 60.0


class AverageColour(tf.Module):
    """Calls a photo by its strongest colour; its box is the middle half of the photo."""

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = tf.Variable(0.05)
        self.names = tf.constant(CLASSES)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="jpeg")])
    def serve(self, jpeg: tf.Tensor) -> dict[str, tf.Tensor]:
        colours, sizes = tf.map_fn(self._look, jpeg, fn_output_signature=(tf.float32, tf.float32))
        scores, order = tf.math.top_k(tf.nn.softmax(colours * self.sharpness), k=len(CLASSES))
        middle = tf.constant([[0.25, 0.25, 0.75, 0.75]])
        return {"labels": tf.gather(self.names, order), "scores": scores, "boxes": tf.tile(sizes, [1, 2]) * middle}

    def _look(self, jpeg: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        photo = tf.cast(tf.io.decode_jpeg(jpeg, channels=3), tf.float32)
        return tf.reduce_mean(photo, axis=[0, 1]), tf.cast(tf.shape(photo)[1::-1], tf.float32)


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository: version 2 of `marque` works, version 1 is older, and what is no integer must be ignored."""
    folder = tmp_path_factory.mktemp("repository")
    model = AverageColour()
    tf.saved_model.save(model, str(folder / "marque" / "2"), signatures={"serving_default": model.serve})
    (folder / "marque" / "2" / "assets.extra").mkdir()
    (folder / "marque" / "2" / "assets.extra" / "classes.json").write_text(json.dumps(CLASSES))
    for ignored in ("1", ".publishing-9", "latest", "10.bak"):
        (folder / "marque" / ignored).mkdir()
    return folder


@pytest.fixture(scope="session")
def server(repository: Path) -> Iterator[embedded.Server]:
    """The embedded server, in this process, on a free port."""
    running = embedded.start(repository, "marque", host="localhost", port=0, rest_port=0)
    yield running
    running.stop(0)


@pytest.fixture(scope="session")
def address(server: embedded.Server) -> str:
    return f"localhost:{server.port}"


@pytest.fixture(scope="session")
def rest_address(server: embedded.Server) -> str:
    return f"localhost:{server.rest_port}"


@pytest.fixture(scope="session")
def start_process() -> Iterator[Callable[..., tuple["subprocess.Popen[str]", str]]]:
    """Starts `python -m serving serve` as a user does; gives the process and its address once the port file is there.

    More options may follow; without any of them there is no REST.
    """
    started: list[subprocess.Popen[str]] = []

    def start(repository: Path | None, port_file: Path, *options: str) -> tuple["subprocess.Popen[str]", str]:
        served = ["--repository", str(repository)] if repository else []
        command = [sys.executable, "-m", "serving", "serve", *served, "--port", "0", "--rest-port", "-1"]
        process = subprocess.Popen(
            [*command, "--port-file", str(port_file), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        deadline = time.monotonic() + START_DEADLINE_S
        while not port_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise AssertionError(f"the server did not start: {process.communicate()}")
            time.sleep(0.05)
        return process, f"localhost:{port_file.read_text().strip()}"

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def photo() -> Callable[..., bytes]:
    """Makes a photo of one colour: `photo("red", size=(40, 20), format="PNG", mode="CMYK", ...)`."""

    def make(
        colour: str, size: tuple[int, int] = (40, 20), file_format: str = "JPEG", mode: str = "RGB", **options: object
    ) -> bytes:
        data = io.BytesIO()
        Image.new("RGB", size, colour).convert(mode).save(data, file_format, **options)  # type: ignore[arg-type]
        return data.getvalue()

    return make
