"""The viewer in headless Chromium: its first picture, JavaScript per frame, bytes of page and head.

    python -m benchmarks.viewer

The shipped sample is shown by `voxface view`. "first picture" counts from the start of the page to the first frame that
has the head in it, with an empty cache: the median of four, and once while the browser still starts its graphics.
"JavaScript" is all that the page itself does for a frame (sampling the clip, gains, desk, posing, submitting what is
drawn), not the drawing, which here is software. Needs chromium, node and `npm ci` in web/.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from tests.viewers import viewing

from voxface.viewer.page import page_files

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "src" / "voxface" / "samples" / "hello.flac"


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium or not shutil.which("node"):
        sys.exit("the viewer is measured in Chromium, by node: one of them is missing (tools/system-packages.sh)")
    if not (ROOT / "web" / "node_modules" / "playwright-core").is_dir():
        sys.exit("the viewer is measured by playwright-core, which is missing: npm ci in web/ first")
    with viewing(SAMPLE, "--no-browser", "--port", "0", cwd=ROOT) as (_, port):
        command = ["node", ROOT / "web" / "tests" / "measure.mjs", f"http://127.0.0.1:{port}/", chromium]
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    first, cost = found["firstPictures"], found["cost"]
    size = sum(path.stat().st_size for path in page_files().values())
    cold_s, warm_s = first[0] / 1000, statistics.median(first[1:]) / 1000
    print(f"first picture: {warm_s:.2f} s (at most 2 s); {cold_s:.2f} s in a browser that has just been started")
    print(f"JavaScript: median {cost['median']:.2f} ms, 95 % {cost['high']:.2f} ms of 300 frames (at most 4 ms)")
    print(f"page and head: {size / 1e6:.2f} MB (at most 2.5 MB)")


if __name__ == "__main__":
    main()
