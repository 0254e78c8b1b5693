"""The viewer's server: what it gives, to whom, and what it does with files that are sent to it."""

from __future__ import annotations

import io
import json
import socket
import threading
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.clips import as_bytes, make
from tests.conftest import SAMPLE
from tests.viewers import ask, raw, serving
from voxface.audio.decode import read_audio
from voxface.export.formats import read
from voxface.face.clip import FaceClip
from voxface.viewer import loading
from voxface.viewer.routes import MOST_CLIP_BYTES, MOST_SOUND_BYTES
from voxface.viewer.session import MOST_CLIPS, Session
from voxface.viewer.shown import PEAKS_HZ


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    """A session that shows the shipped sample, animated."""
    with Session(text="Hello") as session:
        session.open(SAMPLE)
        yield session


@pytest.fixture(scope="module")
def port(session: Session) -> Iterator[int]:
    with serving(session) as server:
        yield server.server_port


@pytest.fixture
def fresh() -> Iterator[tuple[Session, int]]:
    """An empty session of one test, and its port."""
    with Session() as session, serving(session) as server:
        yield session, server.server_port


def test_the_page_and_the_head_are_served_with_types(port: int) -> None:
    """The page, its code, its style and the head come with exact types; no byte may be guessed, kept or framed."""
    wanted = {"/": "text/html", "/assets/index.js": "text/javascript", "/assets/index.css": "text/css"}
    for path, kind in (wanted | {"/head.glb": "model/gltf-binary"}).items():
        reply = ask(port, path)
        assert (reply.status, reply.headers["Content-Type"].split(";")[0]) == (200, kind)
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Cache-Control"] == "no-store"
        assert "script-src 'self';" in reply.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]
        assert ask(port, path, "HEAD").headers["Content-Length"] == str(len(reply.body))
    assert ask(port, "/head.glb").body[:4] == b"glTF"


def test_the_session_says_what_is_shown_and_its_numbers_are_those_of_the_clip(session: Session, port: int) -> None:
    """ClipInfo and the bytes agree with the clip: weights, head poses, emotions, float32; so do sound and peaks."""
    found = ask(port, "/api/session").json
    (info,) = found["clips"]
    clip = session.showing.clips[0].clip
    assert (found["text"], info["label"], info["fps"], info["frames"]) == ("Hello", "hello.flac", 60.0, len(clip))
    assert (info["channels"], info["unknown"], info["notes"]) == (list(clip.channels), [], [])
    numbers = np.frombuffer(ask(port, f"/api/clips/{info['id']}.bin").body, "<f4")
    parts = [part for part in (clip.weights, clip.head, clip.emotion) if part is not None]
    assert (info["head"], info["emotion"]) == (clip.head is not None, clip.emotion is not None)
    np.testing.assert_array_equal(numbers, np.concatenate([part.ravel() for part in parts]))

    samples, rate_hz = read_audio(SAMPLE)
    with wave.open(io.BytesIO(ask(port, f"/api/audio/{info['audio']['id']}.wav").body)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, rate_hz)
        heard = np.frombuffer(file.readframes(len(samples)), "<i2")
    np.testing.assert_allclose(heard / 32767, samples, atol=2 / 32767)
    assert info["audio"]["duration_s"] == len(samples) / rate_hz
    peaks = np.frombuffer(ask(port, f"/api/audio/{info['audio']['id']}.peaks").body, "<i2").reshape(-1, 2)
    assert len(peaks) == -(-len(samples) * PEAKS_HZ // rate_hz)
    edge = rate_hz // PEAKS_HZ
    assert tuple(peaks[7]) == (heard[7 * edge : 8 * edge].min(), heard[7 * edge : 8 * edge].max())


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=0-99", 206, slice(0, 100)), ("bytes=100-", 206, slice(100, None)), ("bytes=-50", 206, slice(-50, None)),
        ("bytes=10-10", 206, slice(10, 11)), ("bytes=0-999999999999", 206, slice(0, None)),
        ("bytes=99999999-", 416, None), ("bytes=9-3", 416, None), ("bytes=-0", 416, None),
        ("bytes=0-1,5-6", 200, slice(0, None)), ("lines=1-2", 200, slice(0, None)), ("bytes=-", 200, slice(0, None)),
    ],
)  # fmt: skip
def test_parts_of_a_sound(port: int, wanted: str, status: int, part: slice | None) -> None:
    """Range as browsers use it to seek: one part, its place said; nonsense gives the whole or 416."""
    path = f"/api/audio/{ask(port, '/api/session').json['clips'][0]['audio']['id']}.wav"
    whole = ask(port, path).body
    reply = ask(port, path, Range=wanted)
    assert reply.status == status
    if part is None:
        assert reply.headers["Content-Range"] == f"bytes */{len(whole)}"
        return
    assert reply.body == whole[part]
    first, last, _ = part.indices(len(whole))
    assert reply.headers.get("Content-Range") == (f"bytes {first}-{last - 1}/{len(whole)}" if status == 206 else None)


@pytest.mark.parametrize(
    "path",
    [
        "/../pyproject.toml", "/assets/../../server.py", "/assets/%2e%2e/index.html", "//etc/passwd", "/etc/passwd",
        "/assets", "/assets/", "/index.html/", "/built.txt", "/api/clips/../session", "/api/clips/c1",
        "/api/clips/c9.bin", "/api/audio/s1.flac", "/api/audio/../x.wav", "/api/", "/favicon.ico", "/%00",
        "/\\windows\\win.ini", "/assets\\index.js",
    ],
)  # fmt: skip
def test_nothing_is_served_but_exact_names(port: int, path: str) -> None:
    """Paths that wander, that almost fit, or that name a file of this machine: 404 as JSON."""
    reply = ask(port, path)
    assert (reply.status, reply.code) == (404, "E-HTTP-NOT-FOUND")


def test_only_names_of_this_machine_are_answered(port: int) -> None:
    """A site whose name points to this machine (DNS rebinding) gets nothing; addresses and localhost do."""
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "localhost.evil.example",
        "",
        "[::1",
        "127.0.0.1.evil.example",
    ):
        assert ask(port, "/api/session", Host=host).status == 403
    for host in (f"127.0.0.1:{port}", "localhost", f"LOCALHOST:{port}", "[::1]:9000", "192.168.1.7:8777"):
        assert ask(port, "/api/session", Host=host).status == 200
    assert b"403" in raw(port, b"GET / HTTP/1.0\r\n\r\n").split(b"\r\n")[0]
    assert b"403" in raw(port, b"GET / HTTP/1.0\r\nHost: localhost\r\nHost: evil.example\r\n\r\n").split(b"\r\n")[0]


def test_other_sites_cannot_send_files(fresh: tuple[Session, int]) -> None:
    """A page of another origin cannot make the browser animate or show anything; ours, and programs, can."""
    session, port = fresh
    body = as_bytes(make(3), "json")
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"}):
        reply = ask(port, "/api/clip?name=x.json", "POST", body, **headers)
        assert (reply.status, reply.code) == (403, "E-ORIGIN")
    assert session.showing.clips == ()
    ours = {"Origin": f"http://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"}
    assert ask(port, "/api/clip?name=x.json", "POST", body, **ours).status == 200
    assert ask(port, "/api/clip?name=x.json", "POST", body).status == 200


def test_requests_that_do_not_fit_are_told_as_json(port: int) -> None:
    """405, 404, 411, 413, 415 and 400 have a code and a sentence; a body that is too large is refused unread."""
    assert (ask(port, "/", "PUT").status, ask(port, "/api/animate").status, ask(port, "/", "DELETE").status) == (
        405,
    ) * 3
    assert ask(port, "/api/animate").headers["Allow"] == "POST"
    assert ask(port, "/api/session", "POST", b"x").status == 404
    head = f"POST /api/clip?name=x HTTP/1.1\r\nHost: localhost:{port}\r\n".encode()
    for lines, status in (
        (b"\r\n", 411), (b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411), (b"Content-Length: -4\r\n\r\n", 411),
        (b"Content-Length: %d\r\n\r\n" % (MOST_CLIP_BYTES + 1), 413),
        (b"Content-Length: 1" + b"0" * 30 + b"\r\n\r\n", 413),
    ):  # fmt: skip
        top, _, body = raw(port, head + lines).partition(b"\r\n\r\n")
        assert (int(top.split()[1]), json.loads(body)["error"]["message"] != "") == (status, True)
    reply = raw(
        port, b"POST /api/animate HTTP/1.1\r\nHost: [::1]\r\nContent-Length: %d\r\n\r\n" % (MOST_SOUND_BYTES + 1)
    )
    assert b"512 MiB" in reply
    reply = ask(port, "/api/animate?name=notes.wav", "POST", b"hello there")
    assert (reply.status, reply.code) == (415, "E-AUDIO-FORMAT")
    assert reply.json["error"]["message"].startswith("notes.wav is no sound file that can be read: it is a text file.")
    assert ask(port, "/api/clip?name=a.csv", "POST", b"").code == "E-CLIP"
    assert raw(port, b"nonsense\r\n\r\n").endswith(b"}}")


@pytest.mark.parametrize("format", ["csv", "json", "jsonl", "npz"])
def test_a_clip_that_is_sent_is_read_as_the_library_reads_it(
    fresh: tuple[Session, int], tmp_path: Path, format: str
) -> None:
    """POST /api/clip gives the frames that `voxface.read` gives, under the name that was sent, without its folders."""
    session, port = fresh
    data = as_bytes(make(130), format)
    (tmp_path / f"x.{format}").write_bytes(data)
    info = ask(port, f"/api/clip?name=..%2F..%2Fa%20b%0A.{format}", "POST", data).json["clip"]
    assert (info["name"], info["frames"], info["audio"]) == (f"a b.{format}", 130, None)
    shown, wanted = session.showing.clips[0].clip, read(tmp_path / f"x.{format}")
    np.testing.assert_array_equal(shown.weights, wanted.weights)
    assert list(session.folder.iterdir()) == []


def test_odd_clips_are_shown_with_notes_and_bad_ones_refused(fresh: tuple[Session, int]) -> None:
    """0 frames, unknown names and frames without a face are said in notes; NaN and damage are refused by name."""
    _, port = fresh
    clip = FaceClip(
        np.ones((4, 3), np.float32), ("jawOpen", "JawLeft", "wings"), 30.0, seen=np.array([1, 0, 1, 1], bool)
    )
    info = ask(port, "/api/clip?name=odd.json", "POST", as_bytes(clip, "json")).json["clip"]
    assert (info["channels"], info["unknown"]) == (["jawOpen", "jawLeft", "wings"], ["wings"])
    assert [note.split(":")[0] for note in info["notes"]] == [
        "odd.json has channels that are not ARKit's and move nothing",
        "in odd.json no face was seen in 1 of 4 frames.",
    ]  # fmt: skip
    empty = ask(port, "/api/clip?name=none.json", "POST", as_bytes(make(0), "json")).json["clip"]
    assert (empty["frames"], empty["notes"]) == (0, ["none.json has 0 frames: there is nothing to play."])
    short = ask(port, "/api/clip?name=short.csv", "POST", as_bytes(make(2), "csv")).json["clip"]
    assert short["notes"] == ["short.csv is too short to tell its frame rate; taken as 24."]
    data = as_bytes(make(2), "json").replace(b'"frames": [\n[', b'"frames": [\n[NaN,', 1)
    reply = ask(port, "/api/clip?name=nan.json", "POST", data)
    assert (reply.status, reply.code) == (400, "E-CLIP")
    assert reply.json["error"]["message"].startswith("nan.json:")
    assert "voxface-view" not in reply.json["error"]["message"]


def test_an_endless_clip_is_cut_with_a_note(tmp_path: Path) -> None:
    """A clip of more frames than the page can hold shows its first hour; nobody waits and nothing is hidden."""
    clip = FaceClip(np.zeros((loading.MOST_FRAMES + 60, 2), np.float32), ("jawOpen", "mouthClose"), 60.0)
    path = tmp_path / "long.npz"
    path.write_bytes(as_bytes(clip, "npz"))
    with Session() as session:
        shown = session.open(path).clip
        assert shown
        assert len(shown.clip) == loading.MOST_FRAMES == 216_000
        assert shown.notes == ("long.npz has 216,060 frames (1 h 00 min); the first 216,000 (1 h 00 min) are shown.",)


def test_old_clips_and_sounds_make_room(fresh: tuple[Session, int], tmp_path: Path) -> None:
    """A session that runs for days keeps the newest clips with their sounds; older ones are gone, on disk too."""
    session, port = fresh
    path = tmp_path / "a.json"
    path.write_bytes(as_bytes(make(2), "json"))
    first = session.open(SAMPLE)
    assert first.clip
    for _ in range(2):
        session.listen(SAMPLE)
    for _ in range(MOST_CLIPS):
        last = session.open(path).clip
    assert last
    labels = [clip.label for clip in session.showing.clips]
    assert len(labels) == len(set(labels)) == MOST_CLIPS
    assert [sound.path for sound in session.showing.sounds] == list(session.folder.glob("*.wav"))
    assert session.showing.common
    assert ask(port, f"/api/audio/{session.showing.common.id}.wav").status == 200
    assert ask(port, f"/api/audio/{first.sound.id if first.sound else ''}.wav").status == 404
    assert ask(port, f"/api/clips/{first.clip.id}.bin").status == 404
    assert ask(port, f"/api/clips/{last.id}.bin").status == 200


def test_what_is_shown_stays(fresh: tuple[Session, int]) -> None:
    """Prediction after prediction is compared with one clip: the one that the page keeps is never forgotten."""
    session, port = fresh
    body = as_bytes(make(2), "json")
    first = ask(port, "/api/clip?name=captured.json", "POST", body).json["clip"]["id"]
    for number in range(MOST_CLIPS + 2):
        ask(port, f"/api/clip?name={number}.json&keep={first}", "POST", body)
    assert [clip.name for clip in session.showing.clips] == ["captured.json", *(f"{n}.json" for n in range(3, 10))]
    head = f"POST /api/clip?name=old.json HTTP/1.0\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert b'"name": "old.json"' in raw(port, head + body)  # a client of HTTP/1.0 waits for the end of the stream


def test_the_page_is_answered_while_sounds_are_animated(fresh: tuple[Session, int]) -> None:
    """Two sounds sent at once are animated one by one; meanwhile the server answers and tells how far it is."""
    session, port = fresh
    data, done, seen = SAMPLE.read_bytes(), [], []
    senders = [
        threading.Thread(target=lambda n=n: done.append(ask(port, f"/api/animate?name={n}.flac", "POST", data).json))
        for n in range(2)
    ]
    for sender in senders:
        sender.start()
    while any(sender.is_alive() for sender in senders):
        seen.append(ask(port, "/api/progress").json["heard_s"])
    assert sorted(answer["clip"]["name"] for answer in done) == ["0.flac", "1.flac"]
    assert {answer["clip"]["frames"] for answer in done} == {270}
    assert len({answer["audio"]["id"] for answer in done}) == 2
    assert any(seconds is not None for seconds in seen)
    assert session.heard_s is None


def test_a_sender_who_goes_away_leaves_nothing(fresh: tuple[Session, int]) -> None:
    """A connection that breaks in the middle of a file: no clip, no file left, and the next one is served."""
    session, port = fresh
    with socket.create_connection(("127.0.0.1", port)) as wire:
        wire.sendall(b"POST /api/clip?name=x.csv HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf")
        wire.shutdown(socket.SHUT_WR)
        assert wire.recv(100) == b""
    assert ask(port, "/api/session").json["clips"] == []
    assert list(session.folder.iterdir()) == []
