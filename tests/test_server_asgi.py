"""The server as an ASGI application behind another server: uvicorn's own HTTP and WebSockets here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the server needs: pip install 'voxface[serve]'")
pytest.importorskip("uvicorn", reason="the server needs: pip install 'voxface[serve]'")

import uvicorn
from websockets.exceptions import InvalidStatus

from tests.served import PATIENCE, listen, running, say, session
from tests.viewers import ask
from voxface import animate
from voxface.live.wire import MOST_BYTES, Done, End, Hello, Interrupt, Interrupted, sample_bytes, text_of
from voxface.server.asgi import Whole
from voxface.server.hall import Hall
from voxface.server.listen import open_socket
from voxface.server.settings import Settings

RATE = 16_000


@contextmanager
def behind(**limits: Any) -> Iterator[int]:
    """The port of somebody else's server with our application in it."""
    hall = Hall(Settings(bundles=("live",), **limits))
    wire = open_socket("127.0.0.1", 0)
    config = uvicorn.Config(
        Whole(hall, None, "here"),
        ws="websockets-sansio",
        loop="asyncio",
        lifespan="on",
        log_config=None,  # type: ignore[arg-type]
    )
    with running(uvicorn.Server(config), wire) as port:
        yield port


def tone(hz: float, seconds: float = 1.0) -> np.ndarray:
    times = np.arange(int(seconds * RATE)) / RATE
    return (0.3 * np.sin(2 * np.pi * hz * times)).astype(np.float32)


def test_a_session_is_the_clip_that_animate_makes() -> None:
    """Sound in packets, frames by their numbers with the weights of voxface.animate, done, close 1000; HTTP beside it.
    Every answer says who gave it, and nobody is let in before everything is opened."""
    with behind() as port:
        heard = say(port, tone(150), Hello(fps=30, bundle="live", lead_s=60.0))
        expected = animate(np.round(tone(150) * 32768).astype(np.int16), RATE, fps=30, bundle="live").weights
        np.testing.assert_allclose(heard.weights[: len(expected)], expected, atol=1e-4)
        assert [frame.seq for frame in heard.frames] == list(range(len(heard.frames)))
        assert (heard.done.heard_s, heard.done.dropped, heard.code) == (1.0, 0, 1000)
        reply = ask(port, "/readyz")
        assert (reply.status, reply.headers["x-replica"]) == (200, "here")
        with session(port) as line:
            assert line.response is not None
            assert line.response.headers["x-replica"] == "here"


def test_an_interrupt_forgets_what_waits() -> None:
    """Of five seconds that were sent, what is ahead of real time is not shown."""
    with behind() as port, session(port, Hello(fps=30, bundle="live", lead_s=0.2)) as line:
        line.send(sample_bytes(tone(150, 5.0), "s16le"))
        line.recv(PATIENCE)
        line.send(text_of(Interrupt()))
        line.send(text_of(End()))
        heard = listen(line)
    assert any(isinstance(message, Interrupted) for message in heard.messages)
    assert heard.done.frames < 60


def test_what_is_wrong_is_told_and_closed() -> None:
    """No token, no hello, no sound before it, nothing too long, no silence on the line: an error with its code, then
    the close code of the protocol."""
    with behind(token="secret", hello_s=0.2, idle_s=0.3, sessions=2) as port:
        with pytest.raises(InvalidStatus):
            session(port, authorization="Bearer wrong").__enter__()
        for messages, code, close in (
            ([], "E-LIMIT", 1008),
            ([text_of(Hello(bundle="live"))], "E-HELLO", 1008),
            ([text_of(Hello(bundle="live", token="secret"))], "E-LIMIT", 1008),
            ([bytes(2)], "E-ORDER", 1003),
            (["{"], "E-PACKET", 1007),
            ([bytes(MOST_BYTES + 2)], "E-LIMIT", 1009),
            (["x" * 20_000], "E-LIMIT", 1009),
        ):
            with session(port) as line:
                for message in messages:
                    line.send(message)
                heard = listen(line)
            problem = heard.messages[-1]
            assert (getattr(problem, "code", ""), heard.code) == (code, close), messages
            assert not any(isinstance(message, Done) for message in heard.messages)
        with session(port), session(port), pytest.raises(InvalidStatus):  # a third has no room
            session(port).__enter__()
        assert ask(port, "/metrics", authorization="Bearer secret").status == 200
