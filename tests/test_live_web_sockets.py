"""Outputs that connect to a WebSocket: VTube Studio, played by a server written from its description, and others."""

from __future__ import annotations

import json
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from tests.live_frames import frame
from voxface.errors import InputWarning, MissingDependencyError
from voxface.face.rig import ARKIT
from voxface.live import courier, vtube_studio, web_socket, wire
from voxface.live.outputs import Output, open_output


@contextmanager
def serving(handler: Callable[[ServerConnection], None], port: int = 0) -> Iterator[int]:
    """A server in a thread; gives its port."""
    listening = socket.create_server(("127.0.0.1", port))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # a slow reader is noticed soon
    with serve(handler, sock=listening, close_timeout=0.1) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join()


def until(what: Callable[[], object], output: Output, seconds: float = 10, pause_s: float = 0.002) -> None:
    """Send frames until something has happened."""
    give_up = time.monotonic() + seconds
    seq = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)
        while not what():
            assert time.monotonic() < give_up
            output.send(frame(seq, turned=(20, 10, 5), jawOpen=0.5, eyeBlinkLeft=1.0))
            output.keep_alive(time.monotonic())
            seq += 1
            time.sleep(pause_s)


class Studio:
    """Plays VTube Studio: asks its user once, gives a token, knows its own parameters and one that a user added."""

    def __init__(self) -> None:
        self.allows, self.token = True, "token-1"
        self.asked, self.logged_in = 0, 0
        self.faces: list[dict[str, Any]] = []
        self.most_faces = 1_000_000  # per connection; then it hangs up

    def __call__(self, connection: ServerConnection) -> None:
        signed_in, most = False, len(self.faces) + self.most_faces
        try:
            while len(self.faces) < most:
                heard = json.loads(connection.recv())
                assert (heard["apiName"], heard["apiVersion"]) == ("VTubeStudioPublicAPI", "1.0")
                assert 1 <= len(heard["requestID"]) <= 64
                kind, values = self.answer(heard["messageType"], heard["data"], signed_in)
                signed_in |= values.get("authenticated") is True
                said = {"messageType": kind, "requestID": heard["requestID"], "data": values}
                connection.send(json.dumps({"apiName": "VTubeStudioPublicAPI", "timestamp": 1, **said}))
        except ConnectionClosed:
            pass

    def answer(self, kind: str, data: dict[str, Any], signed_in: bool) -> tuple[str, dict[str, Any]]:
        if kind.startswith("Authentication"):
            assert all(3 <= len(data[name]) <= 32 for name in ("pluginName", "pluginDeveloper"))
        if kind == "AuthenticationTokenRequest":
            self.asked += 1
            if not self.allows:
                return "APIError", {"errorID": 50, "message": "User has denied API access for your plugin."}
            return "AuthenticationTokenResponse", {"authenticationToken": self.token}
        if kind == "AuthenticationRequest":
            fits = data["authenticationToken"] == self.token
            self.logged_in += fits
            return "AuthenticationResponse", {"authenticated": fits, "reason": ""}
        if not signed_in:
            return "APIError", {"errorID": 8, "message": "not authenticated"}
        if kind == "InputParameterListRequest":
            known = ("FaceAngleX", "FaceAngleY", "FaceAngleZ", "MouthOpen", "EyeOpenLeft", "EyeOpenRight", "MouthSmile")
            return "InputParameterListResponse", {
                "defaultParameters": [{"name": name} for name in known],
                "customParameters": [{"name": "JawOpen"}],
            }
        assert kind == "InjectParameterDataRequest"
        self.faces.append(data)
        return "InjectParameterDataResponse", {}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration in a folder of the test's own; connections are tried again at once."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr(web_socket, "RETRY_S", 0.02)
    monkeypatch.setattr(vtube_studio, "REFRESH_S", 0.02)
    return tmp_path


def test_vtube_studio_is_asked_once_and_moved(config: Path) -> None:
    """The user is asked the first time, the token is kept for the user alone; only parameters it knows are set."""
    studio = Studio()
    with serving(studio) as port:
        for _ in range(2):
            studio.faces.clear()
            output = open_output(f"vts://127.0.0.1:{port}", 60)
            until(lambda: len(studio.faces) > 2, output)
            shown = {one["id"]: one["value"] for one in studio.faces[-1]["parameterValues"]}
            output.close()
    assert (studio.asked, studio.logged_in) == (1, 2)
    assert {name: shown[name] for name in ("MouthOpen", "JawOpen", "EyeOpenLeft", "EyeOpenRight")} == {
        "MouthOpen": 0.75, "JawOpen": 0.5, "EyeOpenLeft": 0.0, "EyeOpenRight": 1.0
    }  # fmt: skip
    assert [shown[f"FaceAngle{axis}"] for axis in "XYZ"] == pytest.approx([20, -10, -5], abs=1e-3)
    assert "TongueOut" not in shown
    assert (studio.faces[-1]["mode"], studio.faces[-1]["faceFound"]) == ("set", True)
    assert vtube_studio.token_file().is_relative_to(config)
    assert vtube_studio.token_file().stat().st_mode & 0o077 == 0


def test_without_frames_vtube_studio_is_kept_from_forgetting(config: Path) -> None:
    """A face at rest is set again and again, because a parameter falls back after a second."""
    studio = Studio()
    with serving(studio) as port:
        output = open_output(f"vts://127.0.0.1:{port}", 60)
        until(lambda: studio.faces, output)
        sent = []
        for _ in range(2):
            enough = len(studio.faces) + 3
            while len(studio.faces) < enough:
                time.sleep(0.005)
            sent.append(output.sent)
        rows = {one["id"]: one["value"] for one in studio.faces[-1]["parameterValues"]}
        assert (rows["MouthOpen"], rows["EyeOpenLeft"], rows["MouthSmile"]) == (0, 1, 0.5)
        assert sent[0] == sent[1]
        output.close()


def test_a_token_that_is_no_longer_good_is_asked_for_anew(config: Path) -> None:
    """As after the user revoked it."""
    studio = Studio()
    with serving(studio) as port:
        for token in ("token-1", "token-2"):
            studio.token = token
            studio.faces.clear()
            output = open_output(f"vts://127.0.0.1:{port}", 60)
            until(lambda: studio.faces, output)
            output.close()
    assert studio.asked == 2
    assert vtube_studio.token_file().read_text() == "token-2"


def test_a_user_who_denies_is_not_asked_again(config: Path) -> None:
    """One question per start; the reason is told, frames are dropped, nothing waits."""
    studio = Studio()
    studio.allows = False
    with serving(studio) as port:
        output = open_output(f"vts://127.0.0.1:{port}", 60)
        output._thread.join(10)
        assert not output._thread.is_alive()
        with pytest.warns(InputWarning, match="does not allow"):
            [output.send(frame(seq)) for seq in range(3)]
        output.close()
    assert (studio.asked, output.sent, output.dropped) == (1, 0, 2)


def test_vtube_studio_may_start_later_and_restart(config: Path) -> None:
    """Before, frames are lost with one warning; it is found again after it hung up."""
    studio = Studio()
    with serving(studio) as port:
        pass
    output = open_output(f"vts://127.0.0.1:{port}", 60)
    with pytest.warns(InputWarning, match="no connection"):
        [output.send(frame(seq)) for seq in range(10)]
    with serving(studio, port):
        studio.most_faces = 3
        until(lambda: studio.logged_in > 2, output)
    output.close()


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"messageType": 1}', '{"messageType": "a", "requestID": "b", "data": 3}', "\xff"]
)
def test_what_is_no_answer_is_refused(text: str) -> None:
    """One error, which ends the connection and not the program."""
    with pytest.raises(wire.PacketError):
        vtube_studio.decode(text)


@pytest.mark.parametrize("mode", ["", "#binary"])
def test_a_program_of_ones_own_gets_frames(mode: str) -> None:
    """`ready` first, then frames as JSON or binary, a face at rest at the end; path and question are the program's."""
    heard: list[str | bytes] = []
    paths: list[str] = []

    def handler(connection: ServerConnection) -> None:
        paths.append(connection.request.path)
        heard.extend(connection)

    with serving(handler) as port:
        output = open_output(f"ws://127.0.0.1:{port}/faces?who=me{mode}", 60)
        until(lambda: len(heard) > 4, output)
        output.rest()
        output.close()
    assert paths == ["/faces?who=me"]
    ready = wire.parse(heard[0])
    assert isinstance(ready, wire.Ready)
    assert (ready.names, ready.head) == (ARKIT, True)
    read = wire.frames_of_binary if mode else (lambda text: wire.parse(text).frames)
    frames = [one for message in heard[1:] for one in read(message)]
    assert np.diff([one.seq for one in frames[:-1]]).tolist() == [1] * (len(frames) - 2)
    assert frames[0].weights[ARKIT.index("jawOpen")] == 0.5
    assert not frames[-1].weights.any()
    assert frames[-1].seq == frames[-2].seq + 1
    assert len(frames) == output.sent


def test_a_server_that_never_reads_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its window is full, then 2 s of frames wait, then the oldest are dropped; closing does not wait for it either."""
    monkeypatch.setattr(courier, "LEAVE_S", 0.05)
    done = threading.Event()
    with serving(lambda connection: done.wait(20) and None) as port:
        output = open_output(f"ws://127.0.0.1:{port}", 30)
        until(lambda: output.dropped > 100, output, pause_s=0.0005)
        assert 10 < output.sent < 10_000
        output.close()
        output._thread.join(10)
        assert not output._thread.is_alive()
        done.set()


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence with the line that installs it."""
    monkeypatch.setitem(sys.modules, "websockets", None)
    with pytest.raises(MissingDependencyError, match=r"voxface\[live\]"):
        open_output("vts://127.0.0.1:1", 60)
