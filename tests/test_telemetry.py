"""Nobody is told that voxface runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import SAMPLE

PROGRAM = """
import os, sys, voxface
voxface.animate(sys.argv[1])
for number in os.listdir("/proc/self/fd"):
    if os.path.exists(path := "/proc/self/fd/" + number):
        print(os.readlink(path))
"""


def test_nobody_is_told_of_a_session(tmp_path: Path) -> None:
    """onnxruntime from 1.31 on writes an identifier into the user's cache and opens a socket, unless it is told not to
    before it loads: here it does neither."""
    few = {name: value for name, value in os.environ.items() if name not in ("XDG_CACHE_HOME", "ORT_DISABLE_TELEMETRY")}
    command = [sys.executable, "-c", PROGRAM, str(SAMPLE)]
    told = subprocess.run(command, capture_output=True, text=True, env=few | {"HOME": str(tmp_path)}, check=True).stdout
    assert "/dev/" in told or "pipe:" in told
    assert "socket:" not in told
    assert not [path for path in tmp_path.rglob("*") if "Microsoft" in path.parts or "onnxruntime" in path.name]
