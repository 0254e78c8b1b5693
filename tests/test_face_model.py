"""Finding MediaPipe's face landmarker: named, in the environment, in the cache, fetched; and when it is wrong."""

from __future__ import annotations

import gc
import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from voxface.capture import face_model
from voxface.capture.face_model import FILE_NAME, FaceModel, cached_path, find_face_model
from voxface.errors import FaceModelError, MissingDependencyError

# The download library leaves its connection to the garbage collector where a download fails.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

CONTENT = b"PK\x03\x04 a small stand-in for the landmarker" * 200


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the user, nothing in the environment, and the stand-in as the known model."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv(face_model.ENVIRONMENT, raising=False)
    monkeypatch.delenv(face_model.ENVIRONMENT_URL, raising=False)
    monkeypatch.setattr(face_model, "SHA256", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(face_model, "SIZE", len(CONTENT))
    return cached_path()


@pytest.fixture
def site() -> Iterator[tuple[str, list[str]]]:
    """A web server on this machine: /good, /wrong, /portal, /short and /moved hold something, the rest is 404."""
    asked: list[str] = []
    pages = {
        "/good": CONTENT,
        "/wrong": b"PK" + CONTENT[::-1],
        "/portal": b"<!DOCTYPE html><html><body>Please log in to the hotel network</body></html>",
        "/short": CONTENT,
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            folder = self.path.removesuffix(f"/{FILE_NAME}")
            if folder == "/moved":
                self.send_response(302)
                self.send_header("Location", f"/portal/{FILE_NAME}")
                self.end_headers()
                return
            self.send_response(200 if folder in pages else 404)
            self.send_header("Content-Length", str(len(pages.get(folder, b""))))
            self.end_headers()
            page = pages.get(folder, b"")
            self.wfile.write(page[: len(page) // 2] if folder == "/short" else page)

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    thread.join()
    server.server_close()
    gc.collect()


def test_the_order_of_places(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file named wins over the environment, the environment over the cache."""
    places = [tmp_path / "named.task", tmp_path / "environment.task", cache]
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(CONTENT)
    assert find_face_model().path == cache
    monkeypatch.setenv(face_model.ENVIRONMENT, str(places[1]))
    assert find_face_model().path == places[1]
    assert find_face_model(places[0]).path == places[0]


def test_fetched_once_into_the_cache(cache: Path, site: tuple[str, list[str]]) -> None:
    """With nothing at hand it is downloaded, checked and kept; the second time nothing is asked for."""
    pytest.importorskip("pooch", reason="pooch is not installed: pip install 'voxface[capture]'")
    base, asked = site
    assert find_face_model(base_url=f"{base}/good") == FaceModel(cache, CONTENT)
    assert cache.read_bytes() == CONTENT
    assert find_face_model(base_url=f"{base}/good").content == CONTENT
    assert asked == [f"/good/{FILE_NAME}"]
    assert [p.name for p in cache.parent.iterdir()] == [FILE_NAME]


def test_the_address_can_be_set_in_the_environment(
    cache: Path, site: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """VOXFACE_FACE_LANDMARKER_URL names a mirror."""
    pytest.importorskip("pooch", reason="pooch is not installed: pip install 'voxface[capture]'")
    monkeypatch.setenv(face_model.ENVIRONMENT_URL, f"{site[0]}/good/")
    assert find_face_model().path == cache


@pytest.mark.parametrize("folder", ["wrong", "portal", "short", "moved", "nowhere"])
def test_a_bad_download_leaves_nothing(cache: Path, site: tuple[str, list[str]], folder: str) -> None:
    """Another file, a login page, half a file, a redirect to a login page, 404: an error that names the place to put
    the file by hand, and no file in the cache (M11)."""
    pytest.importorskip("pooch", reason="pooch is not installed: pip install 'voxface[capture]'")
    with pytest.raises(FaceModelError) as caught:
        find_face_model(base_url=f"{site[0]}/{folder}")
    assert str(cache) in caught.value.hint
    assert face_model.BASE_URL in caught.value.hint
    assert site[0] in caught.value.message
    assert caught.value.exit_code == 4
    assert not cache.exists()
    assert list(cache.parent.glob("*")) == []


def test_no_connection(cache: Path) -> None:
    """A refused connection says so in one sentence, and where the file can be put by hand."""
    pytest.importorskip("pooch", reason="pooch is not installed: pip install 'voxface[capture]'")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(FaceModelError, match="refused") as caught:
        find_face_model(base_url=f"http://127.0.0.1:{port}")
    assert str(cache) in caught.value.hint
    assert not cache.exists()


def test_without_pooch(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing download library is named with the line that installs it."""
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'voxface\[capture\]'"):
        find_face_model(base_url="http://127.0.0.1:9")
    assert not cache.exists()


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "No such file"), (b"", "empty"), (CONTENT[:500], "cut short"), (b"\x00" * 900, "another file"),
     (b"<html>no</html>", "web page")],
)  # fmt: skip
def test_a_wrong_file_is_named(cache: Path, tmp_path: Path, content: bytes | None, says: str) -> None:
    """V19: missing, empty, truncated or another file, the name not ASCII: what it is, and what to do."""
    path = tmp_path / "gesicht_\u00e4\u8138.task"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FaceModelError, match=says) as caught:
        find_face_model(path)
    assert str(path) in caught.value.message
    assert str(cache) in caught.value.hint
    assert caught.value.exit_code == 4


def test_the_real_file(shared: Path) -> None:
    """The landmarker that MediaPipe serves is the one that voxface knows."""
    model = find_face_model(shared / FILE_NAME)
    assert len(model.content) == face_model.SIZE
    assert "content" not in repr(model)
