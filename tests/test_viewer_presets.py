"""What the viewer looks with against what render looks with."""

from __future__ import annotations

import runpy
from pathlib import Path


def test_viewer_and_render_show_the_same_head() -> None:
    """The page has lights, materials and shader of `voxface render`; python tools/viewer_presets.py writes them."""
    written = runpy.run_path(str(Path(__file__).parents[1] / "tools/viewer_presets.py"))["WRITTEN"]
    assert {path.name for path, text in written.items() if path.read_text(encoding="utf-8") != text()} == set()
