"""The pictures of docs/viewer.md: the shipped sample, and a talking person beside what was captured of them.

    PYTHONPATH=. python tools/viewer_pictures.py [TALK.mp4 CAPTURED] [SECONDS]

Writes docs/images/viewer.png, viewer_phone.png and, with the two files, viewer_compare.png as it is at SECONDS (1.15).
Needs chromium, node, and `npm ci` in web/.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from tests.viewers import serving

from voxface.cli.demo import TEXT
from voxface.viewer.session import Session

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "src" / "voxface" / "samples" / "hello.flac"
DESK, PHONE = ("1280", "800"), ("390", "844")


def picture(
    files: list[Path], out: Path, *, theme: str, seconds: float, size: tuple[str, str] = DESK, text: str | None = None
) -> None:
    """The page with these files as PNG; 256 colours, of which the heads get most."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or sys.exit("chromium is missing")
    with Session(text=text) as session, serving(session) as server:
        for file in files:
            session.open(file)
        program = ROOT / "web" / "tests" / "picture.mjs"
        address = f"http://127.0.0.1:{server.server_port}/"
        subprocess.run(["node", program, address, chromium, theme, str(seconds), out, *size], check=True)
    seen = Image.open(out).convert("RGB")
    heads = seen.crop((0, 60, seen.width * 58 // 100, seen.height - 65))
    both = Image.new("RGB", (seen.width, 3 * seen.height))
    both.paste(seen)
    both.paste(heads.resize((seen.width, 2 * seen.height)), (0, seen.height))
    palette = both.quantize(256, method=Image.Quantize.MAXCOVERAGE, kmeans=3)
    seen.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(out, optimize=True)
    print(f"{out.relative_to(ROOT)}: {out.stat().st_size / 1000:.0f} KB")


def main() -> None:
    images = ROOT / "docs" / "images"
    picture([SAMPLE], images / "viewer.png", theme="dark", seconds=1.75, text=TEXT)
    picture([SAMPLE], images / "viewer_phone.png", theme="dark", seconds=1.75, size=PHONE, text=TEXT)
    if len(sys.argv) > 2:
        talk, captured, *at = sys.argv[1:]
        pair = [Path(talk), Path(captured)]
        picture(pair, images / "viewer_compare.png", theme="light", seconds=float(at[0]) if at else 1.15)


if __name__ == "__main__":
    main()
