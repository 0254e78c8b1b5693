"""What `voxface render` looks with, as the viewer reads it: cameras, lights, materials and the shader of a surface.

python tools/viewer_presets.py writes the files of WRITTEN; a test compares them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from voxface.render import gl, scene
from voxface.render.scene import CAMERAS, LIGHTS, MATERIALS

STAGE = Path(__file__).parents[1] / "web/src/stage"


def presets() -> str:
    """The JSON, one preset per line."""
    groups: dict[str, dict[str, Any]] = {
        "cameras": {name: asdict(camera) for name, camera in CAMERAS.items()},
        "lights": {name: asdict(light) for name, light in LIGHTS.items()},
        "materials": {name: material._asdict() for name, material in MATERIALS.items()},
    }
    numbers = ("FIELD_OF_VIEW_DEG", "SHADOW_REACH_M", "SHADOW_PIXELS", "SHADOW_STEP", "SHADOW_OFF_M")
    written = [f'  "{name.lower()}": {json.dumps(getattr(scene, name))}' for name in numbers]
    for group, rows in groups.items():
        lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
        written.append(f'  "{group}": {{\n{lines}\n  }}')
    return "{\n" + ",\n".join(written) + "\n}\n"


def surface() -> str:
    """The shader of a surface; numbers without a point would be no floats in WebGL."""
    shader = re.sub(r"(?<![\w.])(\d+)(?![\w.])", r"\1.0", gl._SURFACE.strip())
    return f"// Written by tools/viewer_presets.py from render/gl.py, where it is explained.\n{shader}\n"


WRITTEN: dict[Path, Callable[[], str]] = {STAGE / "presets.json": presets, STAGE / "surface.glsl": surface}

if __name__ == "__main__":
    for path, text in WRITTEN.items():
        path.write_text(text(), encoding="utf-8")
