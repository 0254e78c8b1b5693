"""The cameras, lights and materials of `voxface render` as the viewer reads them: one truth, written twice.

python tools/viewer_presets.py writes web/src/stage/presets.json; a test compares the two.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from voxface.render import scene
from voxface.render.scene import CAMERAS, LIGHTS, MATERIALS

PRESETS = Path(__file__).parents[1] / "web/src/stage/presets.json"


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


if __name__ == "__main__":
    PRESETS.write_text(presets(), encoding="utf-8")
