"""Pictures of the head: cameras, OpenGL against the rasteriser, weights, head motion, and machines without OpenGL."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest

from voxface.errors import ClipError, InputWarning, MissingDependencyError, RigMismatchError, UsageError
from voxface.export.formats import write
from voxface.face.axes import quaternion_from_euler
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT
from voxface.head.head import Head
from voxface.head.shipped import load_head
from voxface.render import gl
from voxface.render.film import Film
from voxface.render.pictures import faces, frames, painter, sheet, still
from voxface.render.raster import RasterPainter
from voxface.render.scene import CAMERAS, LIGHTS, Camera, View, axes_of, camera_matrix, eye_of, view_named

GREEN = "#00ff00"
HEAD = load_head()


def has_gl() -> bool:
    try:
        gl.context()
    except MissingDependencyError:
        return False
    return True


needs_gl = pytest.mark.skipif(
    not has_gl(), reason="OpenGL does not start here (EGL and Mesa: tools/system-packages.sh)"
)


def mask(picture: np.ndarray) -> np.ndarray:
    """Where the head is, on a green background."""
    return np.abs(picture.astype(int) - [0, 255, 0]).max(axis=2) > 8


def grown(place: np.ndarray, by: int) -> np.ndarray:
    """A mask and all pixels at most `by` from it, along rows and columns."""
    for axis in (0, 1):
        place = np.max([np.roll(place, shift, axis) for shift in range(-by, by + 1)], axis=0)
    return place


def turned(yaw_deg: float, *place: float) -> np.ndarray:
    return np.array([*place, *quaternion_from_euler(np.radians([yaw_deg, 0, 0]))], np.float32)


def clip_of(values: np.ndarray, channel: str = "jawOpen", **more: object) -> FaceClip:
    """One channel over time, 10 frames per second; the others rest."""
    weights = np.zeros((len(values), 52), np.float32)
    weights[:, ARKIT.index(channel)] = values
    return FaceClip(weights, ARKIT, 10.0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [(512, 512), (640, 360), (360, 640)])
@pytest.mark.parametrize("camera", CAMERAS.values(), ids=CAMERAS)
def test_a_camera_shows_what_it_says(camera: Camera, size: tuple[int, int]) -> None:
    """The point it looks at is in the middle; the smaller side of the picture shows height_m there."""
    view = View(size, camera)
    right, up, back = axes_of(camera)
    np.testing.assert_allclose(axes_of(camera) @ axes_of(camera).T, np.eye(3), atol=1e-12)
    assert float((eye_of(view) - camera.at) @ back) > 0.1
    side, edge = (up, 1) if size[0] >= size[1] else (right, 0)
    for shift, wanted in ((0.0, 0.0), (0.5, 1.0), (-0.5, -1.0)):
        place = camera_matrix(view) @ [*(camera.at + shift * camera.height_m * side), 1.0]
        assert place[edge] / place[3] == pytest.approx(wanted, abs=1e-4)


@needs_gl
@pytest.mark.parametrize("camera", CAMERAS)
def test_the_rasteriser_draws_what_opengl_draws(camera: str) -> None:
    """The same silhouette within a pixel and nearly the same colours, with the mouth open and the head turned."""
    look = {"weights": {"jawOpen": 0.6, "mouthSmileLeft": 0.5}, "pose": turned(15, 0.01, 0, 0), "camera": camera}
    one, other = (still(HEAD, size=(192, 160), background=GREEN, gl=how, **look) for how in ("on", "off"))  # type: ignore[arg-type]
    there, here = mask(one), mask(other)
    assert 0.2 < there.mean() <= 1
    assert not (here & ~grown(there, 1)).any()
    assert not (there & ~grown(here, 1)).any()
    both = there & here
    assert np.abs(one[both].astype(int) - other[both]).mean() < 2


@needs_gl
@pytest.mark.parametrize("light", LIGHTS)
def test_lights_and_backgrounds_are_alike_too(light: str) -> None:
    """The background's gradient and vignette agree to 2 of 255; a plain background is exactly its colour."""
    one, other = (still(HEAD, {}, size=(96, 96), light=light, gl=how) for how in ("on", "off"))
    corners = np.ix_([0, 1, 30], [0, 1, -2, -1])
    assert np.abs(one[corners].astype(int) - other[corners]).max() <= 2
    for how in ("on", "off"):
        plain = still(HEAD, {}, size=(64, 64), light=light, background="#20c040", gl=how)
        assert plain[0, 0].tolist() == [0x20, 0xC0, 0x40]


@pytest.mark.parametrize("how", ["auto", "off"])
def test_a_jaw_moves_the_mouth_and_not_the_brow(how: str) -> None:
    """jawOpen changes the lower half of the picture only; weights beyond 1 are 1, below 0 are 0."""
    rest, half, full, more = (still(HEAD, {"jawOpen": w}, size=(96, 96), gl=how) for w in (-1.0, 0.5, 1.0, 3.0))
    moved = np.abs(full.astype(int) - rest).max(axis=2) > 12
    assert moved.sum() > 50
    assert not moved[:38].any()
    assert (np.abs(half.astype(int) - rest).max(axis=2) > 12).sum() < moved.sum()
    np.testing.assert_array_equal(full, more)
    np.testing.assert_array_equal(rest, still(HEAD, np.zeros(len(HEAD.targets)), size=(96, 96), gl=how))


@pytest.mark.parametrize("camera", ["front", "three-quarter"])
def test_eyes_have_a_glint_and_lids_hide_it(camera: str) -> None:
    """Open eyes mirror a window as nearly white spots in the upper half of the face; closed lids do not."""
    spots = []
    for weights in ({}, {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}):
        picture = still(HEAD, weights, size=(256, 256), camera=camera, light="dark", gl="auto")
        spots.append(int((picture[60:140].min(axis=2) > 190).sum()))
    assert spots[0] >= 4, spots
    assert spots[1] == 0, spots


def test_the_head_turns_and_the_foot_of_the_neck_stays() -> None:
    """A turn to the subject's left moves the nose to the right of the picture; where `follow` is 0 nothing moves. A
    place far from the clip's median is held to 3 cm."""
    pose = np.stack([turned(0, 1, 1, 1), turned(30, 1, 1, 1), turned(0, 9, 1, 1), turned(0, 1, 1, 1)])
    clip = clip_of(np.zeros(4), head=pose)
    turns = [turn for _, turn in faces(HEAD, clip, clip.times_s)]
    assert (turns[1] @ [0, 0, 1, 0])[0] == pytest.approx(0.5, abs=1e-5)
    np.testing.assert_allclose(turns[0], np.eye(4), atol=1e-6)
    assert turns[2][0, 3] == pytest.approx(0.03)
    still_ones = [turn for _, turn in faces(HEAD, clip, clip.times_s, head_motion=False)]
    np.testing.assert_array_equal(still_ones, np.tile(np.eye(4), (4, 1, 1)))
    straight, left = frames(HEAD, clip_of(np.zeros(2), head=pose[:2] * [0, 0, 0, 1, 1, 1, 1]), size=(96, 96))
    moved = np.abs(straight.astype(int) - left).max(axis=2) > 12
    assert moved[:60].mean() > 0.1
    assert moved[-2:].mean() < 0.02


def test_frames_come_lazily_at_any_rate() -> None:
    """A picture per frame, or at another rate over the same time; nothing is drawn before it is asked for."""
    clip = clip_of(np.linspace(0, 1, 10), start_s=2.0)
    assert len(list(frames(HEAD, clip, size=(32, 32)))) == 10
    assert len(list(frames(HEAD, clip, size=(32, 32), fps=4))) == 4
    jaw = HEAD.targets.index("jawOpen")
    between = [weights[jaw] for weights, _ in faces(HEAD, clip, np.array([0.0, 2.0, 2.45, 2.9, 99.0]))]
    np.testing.assert_allclose(between, [0, 0, 0.5, 1, 1], atol=1e-6)


def test_frames_without_a_face_are_filled_from_their_neighbours() -> None:
    """Placeholders of frames in which no face was found are never shown."""
    seen = np.array([True, False, False, False, True])
    clip = clip_of(np.array([0.2, 0, 0, 0, 0.6]), seen=seen)
    jaw = HEAD.targets.index("jawOpen")
    shown = [weights[jaw] for weights, _ in faces(HEAD, clip, clip.times_s)]
    np.testing.assert_allclose(shown, [0.2, 0.3, 0.4, 0.5, 0.6], atol=1e-6)
    for _, turn in faces(HEAD, clip_of(np.zeros(3), seen=np.zeros(3, bool)), np.arange(3) / 10):
        np.testing.assert_array_equal(turn, np.eye(4))


def test_one_picture_of_a_million_frames_costs_what_one_costs() -> None:
    """A still of 10^6 frames, and the first pictures of a film of them, take little memory beyond the clip's own."""
    one = np.zeros((1, 52), np.float32)
    clip = FaceClip(np.broadcast_to(one, (1_000_000, 52)), ARKIT, 60.0)
    film = Film(HEAD, [clip], ["million"], 60.0, 0.0, clip.duration_s, View((32, 32)), gl="off")
    assert film.count == 1_000_000
    next(film.pictures(np.array([9_000.0])))
    tracemalloc.start()
    next(film.pictures(np.array([9_000.0])))
    next(film.pictures())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60e6


def test_clips_that_show_nothing_are_refused() -> None:
    """0 frames, or no channel that the head knows, is an error; some unknown channels are named and left out."""
    for channels, frames_, error in (
        (ARKIT, 0, ClipError),
        (("a", "b"), 3, RigMismatchError),
        ((), 3, RigMismatchError),
    ):
        clip = FaceClip(np.zeros((frames_, len(channels)), np.float32), channels, 30.0)
        with pytest.raises(error, match=r"odd\.npz"):
            Film(HEAD, [clip], ["odd.npz"], 30.0, 0.0, 1.0)
    clip = FaceClip(np.ones((2, 3), np.float32), ("jawOpen", "antennaLeft", "gills"), 30.0)
    with pytest.warns(InputWarning, match="antennaLeft, gills"):
        Film(HEAD, [clip], ["odd.npz"], 30.0, 0.0, 1.0)
    with pytest.raises(UsageError, match="from 5 s to 1 s"):
        Film(HEAD, [clip_of(np.zeros(10))], ["x.npz"], 30.0, 5.0, 1.0)


@pytest.mark.parametrize(
    "wrong", [{"camera": "moon"}, {"light": "x"}, {"size": (8, 512)}, {"size": (512, 99999)}, {"background": "red"}]
)
def test_a_view_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    """Unknown presets name the known ones; sizes have limits; colours are six digits."""
    with pytest.raises(UsageError):
        view_named(**wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no target gills"):
        still(HEAD, {"gills": 1.0})
    with pytest.raises(UsageError, match="auto, on or off"):
        painter(HEAD, View(), "maybe")


def test_without_moderngl_the_rasteriser_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """One warning says why; --gl on says the same as an error."""
    monkeypatch.setitem(sys.modules, "moderngl", None)
    monkeypatch.setattr(gl, "context", gl.context.__wrapped__)
    view = View((48, 48), Camera(yaw_deg=1.5))  # one that no other test has had drawn
    with pytest.warns(InputWarning, match=r"W-NO-GL.*moderngl is not installed"):
        assert isinstance(painter(HEAD, view), RasterPainter)
    with pytest.raises(MissingDependencyError, match="moderngl"):
        painter(HEAD, view, "on")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert isinstance(painter(HEAD, view, "off"), RasterPainter)


def test_without_a_driver_the_program_says_so_once_and_draws(tmp_path: Path) -> None:
    """Where EGL finds no driver, `voxface render` writes the picture all the same, with one line about it; with
    --gl on it is exit code 4 and no file."""
    blind = os.environ | {"__EGL_VENDOR_LIBRARY_FILENAMES": "/nonexistent", "LD_LIBRARY_PATH": "/nonexistent"}
    write(clip_of(np.zeros(2)), tmp_path / "x.npz")
    program = [sys.executable, "-m", "voxface.cli.main", "render", "x.npz", "--size", "48", "-o"]
    done = subprocess.run([*program, "a.png"], cwd=tmp_path, env=blind, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("W-NO-GL") == 1
    assert "numpy rasteriser" in done.stderr
    refused = subprocess.run([*program, "b.png", "--gl", "on"], cwd=tmp_path, env=blind, capture_output=True, text=True)
    assert (refused.returncode, "OpenGL does not start" in refused.stderr) == (4, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "x.npz"]


def test_a_sheet_keeps_its_pictures_in_order() -> None:
    """Rows of pictures with a gap between them; the last row may be short."""
    pictures = [np.full((2, 3, 3), value, np.uint8) for value in (10, 20, 30)]
    whole = sheet(pictures, columns=2, gap=1)
    assert whole.shape == (5, 7, 3)
    assert [whole[0, 0, 0], whole[0, 4, 0], whole[3, 0, 0], whole[4, 6, 0], whole[0, 3, 0]] == [10, 20, 30, 255, 255]


def test_the_head_is_kept_between_pictures() -> None:
    """Many pictures of one head in one view use one painter, so a strip of a hundred costs a hundred drawings only."""
    assert isinstance(HEAD, Head)
    assert painter(HEAD, View((40, 40)), "off") is painter(HEAD, View((40, 40)), "off")
