"""The house keeps its floors: a folder imports only what its line names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import voxface

HOUSE = Path(voxface.__file__).parent
GROUND = {"errors", "timebase", "stream", "files"}

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "timebase": {"errors"},
    "stream": set(),
    "files": {"errors"},
    "__init__": {"errors", "face", "export", "runtime"},
    "figure": {"errors", "files"},
    "tensors": {"errors", "files", "stream"},
    "places": {"errors"},
    "face": set(),
    "audio": set(),
    "models": set(),
    "articulation": {"face"},
    "bundle": {"face", "audio"},
    "export": {"face"},
    "live": {"face", "export"},
    "capture": {"places", "tensors", "face", "audio", "export"},
    "dataset": {"tensors", "face", "audio", "articulation", "capture", "export"},
    "runtime": {"face", "audio", "bundle"},
    "synth": {"tensors", "face", "audio", "articulation", "dataset"},
    "evaluation": {
        "figure", "tensors", "face", "audio", "articulation", "bundle", "dataset", "runtime", "head", "render"
    },
    "training": {
        "tensors", "face", "audio", "articulation", "models", "bundle", "dataset", "runtime", "synth", "evaluation",
        "neurosync",
    },
    "head": {"face", "export"},
    "render": {"figure", "face", "audio", "export", "head"},
    "neurosync": {"face", "audio", "models", "bundle", "runtime"},
    "server": {"face", "audio", "bundle", "runtime", "export", "live", "neurosync", "client"},
    "client": {"face", "export", "live"},
    "a2f": {"face", "runtime", "live", "server"},
    "viewer": {"face", "audio", "bundle", "capture", "export", "head", "runtime", "server", "live"},
    "cli": {
        "figure", "places", "face", "audio", "articulation", "models", "bundle", "export", "capture", "dataset", "head",
        "synth", "runtime", "render", "evaluation", "viewer", "training", "neurosync",
        "server", "__init__", "live", "a2f",
    },
}  # fmt: skip
"""Each room and what it may import, beside the ground floor (which itself imports only what is named here)."""

SOLE_HOME: dict[str, set[str]] = {
    "av": {"audio/container.py"},
    "soundfile": {"audio"},
    "soxr": set(),
    "librosa": set(),
    "scipy": set(),
    "mediapipe": {"capture"},
    "ai_edge_litert": {"capture"},
    "pooch": {"capture"},
    "ray": {"capture/ray_runner.py", "server/ray_serve.py"},
    "fsspec": {"places.py"},
    "sounddevice": {"live/devices.py"},
    "websockets": {"live", "client", "server"},
    "prometheus_client": {"server"},
    "onnxruntime": {"runtime", "training/window_export.py"},
    "torch": {"models", "training"},
    "lightning_fabric": {"training"},
    "onnx": {"training"},
    "safetensors": {"tensors.py", "training"},
    "matplotlib": {"figure.py"},
    "moderngl": {"render"},
    "PIL": {"render/labels.py"},
    "starlette": {"server"},
    "uvicorn": {"server"},
    "h11": {"server"},
    "grpc": {"a2f"},
    "google": {"a2f"},
    "typer": {"cli"},
    "rich": {"cli"},
}
"""Libraries that only these rooms (or files) may import."""

FILES = sorted(HOUSE.rglob("*.py"))


def room(path: Path) -> str:
    inside = path.relative_to(HOUSE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: parent-relative import"
            names += [node.module or ""]
            if node.module == "voxface":
                names += [f"voxface.{alias.name}" for alias in node.names]
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HOUSE)))
def test_a_room_imports_only_what_its_line_names(path: Path) -> None:
    """Every import of every file is allowed by the table of floors, relative imports are nowhere."""
    here = room(path)
    allowed = MAY_IMPORT[here] | {here} | (GROUND if here not in GROUND else set())
    rooms = {p.stem if p.suffix else p.name for p in HOUSE.iterdir()}
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "voxface" and len(parts) > 1 and parts[1] in rooms:
            assert parts[1] in allowed, f"{here} may not import {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HOUSE)))
def test_a_library_has_one_home(path: Path) -> None:
    """Heavy or foreign libraries are imported only in the rooms that own them."""
    inside = path.relative_to(HOUSE)
    for name in imports(path):
        homes = SOLE_HOME.get(name.split(".")[0])
        if homes is not None:
            assert inside.parts[0] in homes or inside.as_posix() in homes, f"{inside} may not import {name}"


def test_every_room_is_in_the_table() -> None:
    """No folder or module stands outside the house."""
    assert {room(path) for path in FILES} <= set(MAY_IMPORT)
