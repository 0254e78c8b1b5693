"""The viewer's cameras, lights and materials against render's."""

from __future__ import annotations

import runpy
from pathlib import Path


def test_viewer_and_render_show_the_same_head() -> None:
    """The page has the cameras, lights and materials of `voxface render`; else run python tools/viewer_presets.py."""
    tool = runpy.run_path(str(Path(__file__).parents[1] / "tools/viewer_presets.py"))
    assert tool["PRESETS"].read_text(encoding="utf-8") == tool["presets"]()
