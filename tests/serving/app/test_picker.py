"""A photo from the web is fetched where only this machine reaches the app; a place on this machine never is."""

import functools
import io
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from serving.app import picker
from serving.app.sources import Sources

SCRIPT = """
from serving.app.picker import pick
from serving.app.sources import Sources
from serving.app.views import shown

shown(pick, Sources.from_environment())
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server with one photo, `car.jpg`, and a page that is none."""
    content = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(content, "JPEG")
    (tmp_path / "car.jpg").write_bytes(content.getvalue())
    with ThreadingHTTPServer(("localhost", 0), functools.partial(Quiet, directory=str(tmp_path))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch):
    def started(sources: Sources) -> AppTest:
        for name, value in sources.to_environment().items():
            monkeypatch.setenv(name, value)
        return AppTest.from_string(SCRIPT, default_timeout=60).run()

    return started


def fetch(app: AppTest, address: str) -> AppTest:
    app.button_group(key="way").set_value(picker.WEB).run()
    app.text_input[0].input(address)
    app.button[0].click().run()
    assert not app.exception
    return app


@pytest.mark.slow
def test_a_photo_is_fetched(started, site: str, tmp_path: Path) -> None:
    app = fetch(started(Sources()), f"{site}/car.jpg")
    assert not app.error
    assert app.session_state[picker.CHOSEN] == picker.Chosen("car.jpg", (tmp_path / "car.jpg").read_bytes())


@pytest.mark.parametrize("address", ["/etc/passwd", "file:///etc/passwd", "gs://bucket/car.jpg", "car.jpg"])
@pytest.mark.slow
def test_a_place_of_another_kind_is_refused(started, address: str) -> None:
    app = fetch(started(Sources()), address)
    assert app.error[0].value.startswith("expected the address of a photo")
    assert picker.CHOSEN not in app.session_state


@pytest.mark.slow
def test_what_is_not_there_is_one_line(started, site: str) -> None:
    assert "404" in fetch(started(Sources()), f"{site}/van.jpg").error[0].value


def test_nothing_is_fetched_for_other_machines(started) -> None:
    ways = started(Sources(local=False)).button_group(key="way").options
    assert ways == [picker.UPLOAD]
