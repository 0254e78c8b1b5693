"""Pictures per second of the head: by OpenGL, by the rasteriser, and as a whole film with sound.

    python benchmarks/render.py [--size 512] [--seconds 4] [--camera front]

The shipped sample is animated and drawn. "pictures" is drawing alone; "film" is drawing, H.264, AAC and writing the
file. Wall and CPU time of the whole process, all threads; the renderer's own name says whether it is software.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the program does; before numpy is imported

import voxface
from voxface.face.clip import FaceClip
from voxface.head.shipped import load_head
from voxface.render.film import Film
from voxface.render.pictures import painter
from voxface.render.scene import view_named
from voxface.render.video import write

SAMPLE = Path(voxface.__file__).parent / "samples" / "hello.flac"


def rate(count: int, call: Callable[[], object]) -> str:
    """Pictures per second of a call that makes `count` of them, and what one costs."""
    clock, cpu = time.perf_counter(), time.process_time()
    call()
    wall, busy = time.perf_counter() - clock, time.process_time() - cpu
    return (
        f"{count / wall:6.1f} fps, {1000 * wall / count:6.1f} ms wall and {1000 * busy / count:6.1f} ms CPU a picture"
    )


def film_of(clip: FaceClip, seconds: float, size: int, camera: str, gl: str) -> Film:
    return Film(load_head(), [clip], ["hello"], 30.0, 0.0, seconds, view_named(camera, size=(size, size)), gl=gl)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--camera", default="front")
    options = parser.parse_args()
    clip = voxface.animate(SAMPLE)
    vertices = sum(len(part.positions) for part in load_head().parts)
    print(f"{options.size}x{options.size}, {options.camera}, {vertices} vertices, {os.cpu_count()} cores")
    for gl, seconds in (("auto", options.seconds), ("off", options.seconds / 10)):
        film = film_of(clip, seconds, options.size, options.camera, gl)
        print(painter(film.head, film.view, gl).name)
        next(film.pictures())
        print("  pictures", rate(film.count, lambda film=film: list(film.pictures())))  # type: ignore[misc]
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "hello.mp4")
            print("  film    ", rate(film.count, lambda film=film, path=path: write(film, path, str(SAMPLE))))  # type: ignore[misc]


if __name__ == "__main__":
    main()
