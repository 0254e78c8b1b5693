"""Running viewers: the server on a thread, the program as a process, and plain requests to both."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxface.viewer.server import Server, open_server
from voxface.viewer.session import Session

PROGRAM = [sys.executable, "-m", "voxface.cli.main", "view"]


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of an error, of the viewer's server or of `voxface serve`."""
        return str((self.json.get("error") or self.json)["code"])


def ask(port: int, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Reply:
    """One request; `X_Y="z"` is the header X-Y: z. The path goes out as it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        reply = connection.getresponse()
        return Reply(reply.status, dict(reply.getheaders()), reply.read())
    finally:
        connection.close()


def raw(port: int, request: bytes) -> bytes:
    """Send bytes, read until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as wire:
        wire.sendall(request)
        return b"".join(iter(lambda: wire.recv(1 << 16), b""))


@contextmanager
def serving(session: Session) -> Iterator[Server]:
    """The server on a thread, at a free port."""
    with open_server(session, port=0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def viewing(*arguments: str | Path, cwd: Path, **environment: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`voxface view` as a process with few variables around it, once it answers; and its port."""
    few = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "PYTHONPATH", "TMPDIR")}
    process = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)], cwd=cwd, text=True, env=few | environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        assert found, line + process.communicate(timeout=60)[1]
        yield process, int(found[1])
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ended(process: subprocess.Popen[str], by: signal.Signals) -> tuple[int, str]:
    """Exit code and standard error of a process that a signal ends."""
    process.send_signal(by)
    _, error = process.communicate(timeout=60)
    assert "Traceback" not in error
    return process.returncode, error
