"""The steps of the Containerfile, in a fresh environment: no container program is needed for them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import voxface

ROOT = Path(__file__).parents[1]


def copied(folder: Path) -> list[str]:
    """What the Containerfile copies into the image before its steps, copied into a folder; and the steps."""
    text = (ROOT / "Containerfile").read_text(encoding="utf-8")
    for names, target in re.findall(r"^COPY ([^-].*) (/source\S*)$", text, re.MULTILINE):
        place = folder / target.removeprefix("/source").lstrip("/")
        for name in names.split():
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, place)
    return re.findall(r"^RUN sh /source/(\S+) \S+ /source$", text, re.MULTILINE)


@pytest.mark.skipif(not (ROOT / "Containerfile").exists(), reason="the tests do not run in a checkout")
def test_the_steps_of_the_container_give_a_server_that_answers(tmp_path: Path) -> None:
    """What the image copies is enough: it installs into an empty environment, and the server there becomes ready."""
    source = tmp_path / "source"
    (steps,) = copied(source)
    command = ["sh", str(source / steps), str(tmp_path / "installed"), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if "No matching distribution" in done.stderr:
        pytest.skip(f"the package registry cannot be reached, so the container's steps were not tried: {done.stderr}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == voxface.__version__
