"""The program `voxface` with a tracker that does what the picture says: `python -m tests.capture_program capture ...`.

Worker processes load the main module of their parent too, so they know the tracker as well. The number of a picture
(tests.videos) is what happens at it; all other numbers are faces.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import socket
import time
from pathlib import Path
from types import TracebackType

import numpy as np

from voxface.capture import face_model, segments, trackers
from voxface.capture.face_model import FaceModel
from voxface.capture.tracker import Face
from voxface.face.track import OBSERVED_BY_MEDIAPIPE

CRASH, HANG, HOLD, EAT, DIE, BUG, CALL, SLOW = range(20, 28)
MODEL = b"no model is needed"
SANE = "VOXFACE_TEST_SANE"
"""Names a file; once it exists, nothing bad happens any more. The first crash makes it if ONCE is set."""
ONCE, PORT, CLOCK = "VOXFACE_TEST_ONCE", "VOXFACE_TEST_PORT", "VOXFACE_TEST_CLOCK"
SEGMENT = "VOXFACE_TEST_SEGMENT"
"""Seconds in a piece; longer videos are divided."""
LOOKS = "VOXFACE_TEST_LOOKS"
"""A file; each tracker that is opened writes the number of its process into it."""
HELD = "VOXFACE_TEST_HELD"
"""Names a file that is made the instant before native code holds everything up."""


class Obedient:
    """A tracker without a net, so that tests of runs are quick."""

    observed = OBSERVED_BY_MEDIAPIPE
    most_faces = 1

    def __init__(self, model: FaceModel) -> None:
        if LOOKS in os.environ:
            with open(os.environ[LOOKS], "a") as file:
                file.write(f"{os.getpid()}\n")
        self.description = {"name": "obedient", "model_sha256": face_model.SHA256}

    def __enter__(self) -> Obedient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def cut(self) -> None:
        pass

    def look(self, time_s: float, rgb: np.ndarray) -> Face | None:
        number = round((float(rgb.mean()) - 16) / 8)
        if number >= CRASH and not Path(os.environ.get(SANE, "nowhere")).exists() and not obey(number):
            return None
        weights = np.full(52, 0.01 * number, np.float32)
        return Face(weights, np.array([0.01 * number, 0, -0.4]), np.array([1.0, 0, 0, 0]), 0.1, 0.3)


def obey(number: int) -> bool:
    """Do what a picture asks for; False: no face in it."""
    if ONCE in os.environ:
        Path(os.environ[SANE]).touch()
    if number == CRASH:
        ctypes.string_at(0)
    if number == HANG:
        time.sleep(600)
    if number == HOLD:  # native code that hangs and lets no other thread run
        Path(os.environ[HELD]).touch()
        ctypes.PyDLL(None).sleep(600)
    if number == EAT:
        np.ones(1 << 40, np.uint8)
    if number == DIE:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == BUG:
        raise ZeroDivisionError("a bug of ours")
    if number == SLOW:
        time.sleep(0.3)
    return number != CALL or can_call()


def can_call() -> bool:
    """Does anybody answer at the port that the test listens at?"""
    try:
        socket.create_connection(("127.0.0.1", int(os.environ[PORT])), timeout=5).close()
    except OSError:
        return False
    return True


def mad_clock() -> None:
    """A clock on the wall that jumps by days, to and fro, whenever it is asked."""
    true, asked = time.time, [0]

    def jumping() -> float:
        asked[0] += 1
        return true() + 86_400 * (-1) ** asked[0] * asked[0]

    time.time = jumping


def prepare() -> None:
    trackers.TRACKERS["obedient"] = lambda: Obedient  # type: ignore[assignment,return-value]
    face_model.SHA256 = hashlib.sha256(MODEL).hexdigest()
    if CLOCK in os.environ:
        mad_clock()
    if SEGMENT in os.environ:
        segments.WHOLE_S = segments.SEGMENT_S = float(os.environ[SEGMENT])
        segments.WARM_UP = 2


if __name__ in ("__main__", "__mp_main__"):  # the program and its workers; a test that imports names changes nothing
    prepare()
if __name__ == "__main__":
    from voxface.cli.main import main  # here: workers, which load this file too, need no command line

    main()
