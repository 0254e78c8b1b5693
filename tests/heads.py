"""Small heads of balls, for tests that need any head, and a GLB taken apart and put together wrongly."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from voxface.export.glb import pack
from voxface.face.rig import ARKIT
from voxface.head.head import Head, Part
from voxface.head.measure import report
from voxface.stream import Array


def ball(centre: tuple[float, float, float], radius: float, around: int = 16, down: int = 9) -> tuple[Array, Array]:
    """Points and triangles of a ball that is its own mirror image; its middle line lies on x = centre."""
    turn, tilt = np.meshgrid(np.arange(around) * 2 * np.pi / around, np.linspace(0.1, np.pi - 0.1, down))
    points = np.stack([np.sin(tilt) * np.sin(turn), np.cos(tilt), np.sin(tilt) * np.cos(turn)], -1).reshape(-1, 3)
    points = np.round(points * radius, 6) + centre
    rows, columns = np.meshgrid(np.arange(down - 1), np.arange(around), indexing="ij")
    a, b = rows * around + columns, rows * around + (columns + 1) % around
    corners = np.stack([a, a + around, b, b, a + around, b + around], -1)
    return points, corners.reshape(-1, 3)


def part(name: str, *balls: tuple[Array, Array], targets: int = len(ARKIT)) -> Part:
    """A part of balls, at rest under all targets."""
    points = np.concatenate([points for points, _ in balls])
    starts = np.cumsum([0, *(len(points) for points, _ in balls[:-1])])
    triangles = np.concatenate([triangles + start for (_, triangles), start in zip(balls, starts, strict=True)])
    outwards = np.concatenate([points - points.mean(0) for points, _ in balls])
    normals = outwards / np.linalg.norm(outwards, axis=1, keepdims=True)
    still = np.zeros((targets, len(points), 3), np.float32)
    follow = np.clip(points[:, 1] * 10 + 1, 0, 1)
    colours = np.clip(np.abs(points) * 5, 0, 1)
    floats = (array.astype(np.float32) for array in (points, normals, colours, follow))
    return Part(name, *floats, triangles.astype(np.uint32), still, still.copy())


def ball_head() -> Head:
    """A ball with two eyes and a mouth in front of it; jawOpen sinks what lies before the mouth."""
    skin = part("skin", ball((0, 0, 0), 0.1, 48, 33))
    eyes = part("eyes", ball((-0.03, 0.035, 0.08), 0.015), ball((0.03, 0.035, 0.08), 0.015))
    mouth, hair = part("mouth", ball((0, -0.045, 0.07), 0.012)), part("hair", ball((0, 0.04, -0.02), 0.09))
    jaw = ARKIT.index("jawOpen")
    near = np.exp(-(((skin.positions - (0, -0.045, 0.09)) / (0.02, 0.012, 0.05)) ** 2).sum(1))
    skin.moves[jaw, :, 2] = np.where(near > 0.02, -0.05 * near, 0)
    skin.turns[jaw, near > 0.5] = (0, 0.25, 0)
    return Head((skin, eyes, mouth, hair), ARKIT)


def changed(data: bytes, change: Callable[[dict[str, Any]], object]) -> bytes:
    """A GLB whose description was changed."""
    length = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + length])
    change(document)
    return pack(document, data[28 + length :])


def few_poses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a report look at few combinations, to be quick."""
    few = ("rest", "open", "closed jaw open", "press", "b of blue", "blink")
    monkeypatch.setattr(report, "COMBINATIONS", {name: report.COMBINATIONS[name] for name in few})
    monkeypatch.setattr(report, "SHUT", ("rest",))


def saved(folder: Path, data: bytes) -> Path:
    path = folder / "head.glb"
    path.write_bytes(data)
    return path
