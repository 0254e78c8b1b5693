"""The page's own code outside a browser: its types hold, and its arithmetic is that of the Python side."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

WEB = ROOT / "web"


def run_node(*command: str | Path) -> str:
    """Output of a node program in web/; skipped where node or what npm installs there is missing."""
    if not shutil.which("node") or not (WEB / "node_modules" / "vite").is_dir():
        pytest.skip("the page's code is not tried: node, or npm ci in web/, is missing")
    environment = os.environ | {"VOXFACE_PYTHON": sys.executable, "NODE_NO_WARNINGS": "1"}
    done = subprocess.run(["node", *command], cwd=WEB, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_types_of_the_page_hold() -> None:
    """tsc, strict, finds nothing in web/src."""
    run_node(WEB / "node_modules" / "typescript" / "bin" / "tsc", "--noEmit")


def test_the_arithmetic_of_the_page_holds() -> None:
    """The cases of web/tests: names of targets, the clock of the sound, gains and TOML as in Python, lanes of any size.
    None is skipped."""
    told = run_node("--test", "--test-reporter=tap", *sorted((WEB / "tests").glob("*.test.mjs")))
    counts = {name: int(number) for name, number in re.findall(r"^# (pass|fail|skipped) (\d+)$", told, re.MULTILINE)}
    assert counts["pass"] > 60
    assert (counts["fail"], counts["skipped"]) == (0, 0)
