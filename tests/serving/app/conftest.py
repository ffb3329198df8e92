"""What the app shows, small and real (the toy set, two versions of a tiny model with their evaluations, labels), and the app in a
browser."""

import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import pytest
import tensorflow as tf
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from components.common.dataset import open_dataset
from components.common.evaluation import PUBLISHED
from components.common.repository import CONFIG
from components.evaluate.gate import Demands
from components.evaluate.step import run as evaluate
from serving.app.sources import Sources

START_S = 120.0
EXPECT_MS = 20_000
LOADS = 3
NETWORK_CHANGED = "ERR_NETWORK_CHANGED"
OpenPage = Callable[..., Page]
MODELS_CONFIG = """
model_config_list {{
  config {{
    name: "marque" base_path: "{folder}/marque" model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: 1 versions: 2 }} }}
    version_labels {{ key: "stable" value: 1 }} version_labels {{ key: "canary" value: 2 }}
  }}
}}
"""


class ByBrightness(tf.Module):
    """Orders the classes by one number of the photo, its mean brightness; sees the car in the middle `share` of the photo."""

    def __init__(self, classes: list[str], share: float):
        super().__init__()
        self.names = tf.constant(classes)
        self.box = tf.constant([0.5 - share / 2, 0.5 - share / 2, 0.5 + share / 2, 0.5 + share / 2])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="jpeg")])
    def serve(self, jpeg: tf.Tensor) -> dict[str, tf.Tensor]:
        brightness, sizes = tf.map_fn(self._look, jpeg, fn_output_signature=(tf.float32, tf.float32))
        classes = len(self.names)
        middles = 60.0 + 120.0 * tf.range(classes, dtype=tf.float32) / classes
        scores, order = tf.math.top_k(tf.nn.softmax(-tf.abs(brightness[:, None] - middles) / 20), k=min(5, classes))
        return {"labels": tf.gather(self.names, order), "scores": scores, "boxes": tf.tile(sizes, [1, 2]) * self.box}

    def _look(self, jpeg: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        photo = tf.cast(tf.io.decode_jpeg(jpeg, channels=3), tf.float32)
        return tf.reduce_mean(photo), tf.cast(tf.shape(photo)[1::-1], tf.float32)


@pytest.fixture(scope="session")
def sources(toy_dataset: Path, toy_records: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """Dataset, repository with versions 1 (stable) and 2 (canary), and the evaluation of version 2 with its report; no server."""
    folder = tmp_path_factory.mktemp("app")
    classes = open_dataset(toy_dataset).classes
    for version, share in ((1, 0.5), (2, 0.8)):
        saved_model = folder / "models" / "marque" / str(version)
        model = ByBrightness(classes, share)
        tf.saved_model.save(model, str(saved_model), signatures={"serving_default": model.serve})
        (saved_model / "assets.extra").mkdir()
        (saved_model / "assets.extra" / "classes.json").write_text(json.dumps(classes), "utf-8")
        evaluation = folder / f"evaluation-{version}"
        evaluate(saved_model, toy_records, evaluation, demands=Demands(min_top1=0, min_mean_iou=0), dataset=toy_dataset)
        for name, place in PUBLISHED.items():
            (saved_model / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(evaluation / name, saved_model / place)
    (folder / "models" / CONFIG).write_text(MODELS_CONFIG.format(folder=folder / "models"), "utf-8")
    return Sources(dataset=str(toy_dataset), evaluation=str(folder / "evaluation-2"), repository=str(folder / "models"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        expect.set_options(timeout=EXPECT_MS)
        yield started
        expect.set_options(timeout=5_000)  # as it was
        started.close()


@pytest.fixture(scope="module")
def app(browser: Browser, sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the running app; it ends at SIGTERM with everything it started."""
    folder = tmp_path_factory.mktemp("running")
    address_file, log = folder / "address", folder / "log"
    places = [f"--{name}={getattr(sources, name)}" for name in ("dataset", "evaluation", "repository")]
    command = [sys.executable, "-m", "serving.app", *places, "--port=0", f"--address-file={address_file}"]
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        deadline = time.monotonic() + START_S
        while not address_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise AssertionError(f"the app did not start: {log.read_text()}")
            time.sleep(0.05)
        yield address_file.read_text("utf-8").strip()
        said = log.read_text()
        server = re.search(r"^server +(\S+):(\d+)$", said, re.MULTILINE)
        assert server is not None, said
        socket.create_connection((server[1], int(server[2]))).close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((server[1], int(server[2])))
    said = log.read_text()
    assert "Traceback" not in said, said


@pytest.fixture
def open_page(browser: Browser, app: str) -> Iterator[OpenPage]:
    """Opens the app; complaints of the browser, exceptions on the page and requests to anyone else fail the test."""
    complaints: list[str] = []
    contexts = []
    own = (app, app.replace("http", "ws"), "data:", "blob:", "about:")

    def opened(width: int = 1280, scheme: str = "light") -> Page:
        context = browser.new_context(viewport=ViewportSize(width=width, height=900), color_scheme=scheme)  # type: ignore[arg-type]
        context.set_default_timeout(EXPECT_MS)
        contexts.append(context)
        page = context.new_page()
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: None if request.url.startswith(own) else complaints.append(request.url))
        load(page, app, errors)
        console.append(errors)
        return page

    console: list[list[str]] = []
    yield opened
    for context in contexts:
        for page in context.pages:
            complaints += page.get_by_test_id("stException").all_inner_texts()
        context.close()
    complaints += [error for error in chain.from_iterable(console) if NETWORK_CHANGED not in error]
    assert complaints == []


def load(page: Page, address: str, errors: list[str]) -> None:
    """Opens the app, and again where Chromium dropped what it was loading because a network interface of this machine came or
    went, which other tests' containers do."""
    heading = page.get_by_role("heading", level=1)
    for _ in range(LOADS):
        errors.clear()
        page.goto(address)
        deadline = time.monotonic() + EXPECT_MS / 1000
        while not heading.is_visible() and time.monotonic() < deadline and not any(NETWORK_CHANGED in error for error in errors):
            page.wait_for_timeout(100)
        if heading.is_visible():
            return
    expect(heading).to_be_visible()
