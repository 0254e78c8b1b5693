"""Several processes for one run on this machine: started together, stopped together, one exit code.

They find each other by the environment variables of torchrun, so `torchrun ... -m voxface.cli.main train ...` does the
same over several machines.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import IO, Any

_LAUNCHER = "VOXFACE_LAUNCHER"
_GRACE_S = 20.0  # once one has ended badly, the others have so long to notice
_LOOK_S = 0.02


def launched() -> bool:
    """This process is one of several of a run."""
    return "LOCAL_RANK" in os.environ


def leads() -> bool:
    """This process is alone, or the one that writes and speaks for all."""
    return os.environ.get("RANK", "0") == "0" or not launched()


def orphaned() -> bool:
    """The process that started this one for a run is gone, and with it whoever could stop it."""
    launcher = os.environ.get(_LAUNCHER)
    return launcher is not None and os.getppid() != int(launcher)


def launch(command: Sequence[str], processes: int) -> int:
    """Run a command so many times as the processes of one run, and wait for them.

    A signal that comes here goes to each of them. When one fails, the others are given time to end by themselves.

    Returns: the exit code of the first that failed, else 0. What the others than the leading one say is shown only
        if one of them failed first, and otherwise than the leading one.
    """
    with tempfile.TemporaryFile() as said:
        port = _free_port()
        children = [_start(command, rank, processes, port, said) for rank in range(processes)]
        before = {number: signal.signal(number, _pass_on(children)) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            failed = _wait(children)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        if failed and children[failed].returncode != children[0].returncode:  # else the leading one has said it
            said.seek(0)
            sys.stderr.write(said.read().decode("utf-8", "replace"))
    code = children[failed or 0].returncode
    return code if code >= 0 else 128 - code


def _start(command: Sequence[str], rank: int, size: int, port: int, said: IO[bytes]) -> subprocess.Popen[bytes]:
    """One of them, in a session of its own: Ctrl-C on the terminal reaches it through here, once."""
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": port}
    environment = os.environ | {name: str(value) for name, value in place.items()}
    environment |= {"MASTER_ADDR": "127.0.0.1", "NODE_RANK": "0", _LAUNCHER: str(os.getpid())}
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": said} if rank else {}
    return subprocess.Popen(command, env=environment, start_new_session=True, stdin=subprocess.DEVNULL, **quiet)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _pass_on(children: Sequence[subprocess.Popen[bytes]]) -> Any:
    def pass_on(number: int, frame: Any) -> None:
        for child in children:
            child.send_signal(number)

    return pass_on


def _wait(children: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """Until all have ended: the first that failed, or None."""
    failed, until = None, float("inf")
    while True:
        running = [child for child in children if child.poll() is None]
        if failed is None and (failed := _failed(children)) is not None:
            until = time.monotonic() + _GRACE_S
        if not running:
            return failed
        if time.monotonic() > until:
            for child in running:
                child.kill()
        time.sleep(_LOOK_S)


def _failed(children: Sequence[subprocess.Popen[bytes]]) -> int | None:
    """One that ended badly; rather one that was killed: the others ended because it did."""
    bad = [rank for rank, child in enumerate(children) if child.returncode]
    return min(bad, key=lambda rank: children[rank].returncode >= 0) if bad else None
