"""The parts of the light tracker: cutting, smoothing, pose, the geometry file, the layout of the network."""

from __future__ import annotations

import io
import itertools
import math
import zipfile
from pathlib import Path

import numpy as np
import pytest

from voxface.capture.light.cut import cut_out, made_small
from voxface.capture.light.pose import POINTS, CanonicalFace, head_pose, read_canonical_face
from voxface.capture.light.protobuf import fields
from voxface.capture.light.region import Region, region_of_face
from voxface.capture.light.smoothing import Smoothed, smooth
from voxface.face.axes import quaternion_from_euler, rotation_matrix


def soft_picture(height: int, width: int) -> np.ndarray:
    """(height, width, 3) uint8 with waves of a few pixels, other ones in each channel."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 5 + c) * np.cos(y / (4 + c)) for c in range(3)]
    return (127.5 + 110 * np.stack(waves, axis=-1)).astype(np.uint8)


def plainly_cut(rgb: np.ndarray, region: Region, size: int) -> np.ndarray:
    """Bilinear interpolation as the books have it, beyond the edges the pixel of the edge."""
    a, b, c, d, e, f = region.matrix(size)
    v, u = np.mgrid[:size, :size]
    x, y = a * u + b * v + c, d * u + e * v + f
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    height, width = rgb.shape[:2]
    result = np.zeros((size, size, 3))
    for down in (0, 1):
        for right in (0, 1):
            share = np.abs(1 - right - (x - left)) * np.abs(1 - down - (y - top))
            rows, columns = np.clip(top + down, 0, height - 1), np.clip(left + right, 0, width - 1)
            result += share[..., None] * rgb[rows, columns]
    return result


@pytest.mark.parametrize(
    "region",
    [
        Region(100, 80, 90, 90, 0.0), Region(100, 80, 90, 90, 0.4), Region(90, 70, 60, 75, -1.2),
        Region(5, 8, 70, 70, 0.2), Region(195, 150, 70, 70, -0.3), Region(100, 80, 700, 700, 0.1),
        Region(300, 80, 90, 90, 0.0), Region(-90, -90, 80, 80, 0.3), Region(100, 400, 90, 90, 3.0),
        Region(100, 80, 3, 3, 0.5),
    ],
)  # fmt: skip
def test_a_cut_out_is_bilinear_interpolation(region: Region) -> None:
    """Upright, turned, not square, over each edge, larger than the picture, wholly outside, tiny: within two grey
    levels of interpolation by the book, without bias."""
    rgb = soft_picture(160, 200)
    found, wanted = cut_out(rgb, region, 64)[0].astype(float), plainly_cut(rgb, region, 64)
    assert found.shape == (64, 64, 3)
    assert np.abs(found - wanted).max() <= 2.1
    assert abs((found - wanted).mean()) < 0.1


def test_a_cut_out_does_not_touch_or_need_an_order_of_its_picture() -> None:
    """Pictures that are views (mirrored, every second pixel) or read-only give what their copy gives, unchanged."""
    whole = soft_picture(160, 200)
    before, region = whole.copy(), Region(50, 40, 60, 60, 0.3)
    whole.flags.writeable = False
    for view in (whole[:, ::-1], whole[::2, ::2], whole[10:, 10:]):
        assert np.array_equal(cut_out(view, region, 32), cut_out(view.copy(), region, 32))
        assert np.array_equal(made_small(view, 32), made_small(view.copy(), 32))
    assert np.array_equal(whole, before)


@pytest.mark.parametrize("shape", [(64, 64), (100, 60), (60, 100), (150, 300), (2000, 1000)])
def test_the_whole_picture_stands_in_the_middle(shape: tuple[int, int]) -> None:
    """Of any shape and size: a white picture keeps its proportions in the middle of black, and nothing is out of
    [-1, 1]."""
    small = made_small(np.full((*shape, 3), 255, np.uint8), 128)
    assert small.shape == (1, 128, 128, 3)
    assert small.min() >= -1
    assert small.max() <= 1
    lit = (small[0, ..., 0] + 1) / 2
    side = max(shape)
    assert lit.max(axis=1).sum() == pytest.approx(128 * shape[0] / side, abs=1.01)
    assert lit.max(axis=0).sum() == pytest.approx(128 * shape[1] / side, abs=1.01)
    middle = (lit.sum(axis=1) * np.arange(128)).sum() / lit.sum()
    assert middle == pytest.approx(64, abs=1)


def test_points_go_back_where_they_were_cut_out() -> None:
    """A corner of the result is that corner of the region; depth grows as width does, in a picture twice as wide as
    high by twice as much where the region is turned by a quarter."""
    points = np.array([[0, 0, 16], [128, 0, 0], [64, 64, -1]], np.float32)
    turned, upright = Region(100, 80, 64, 64, math.pi / 2), Region(100, 80, 64, 64, 0)
    wanted = np.array([[132, 48, 8], [132, 112, 0], [100, 80, -0.5]])
    np.testing.assert_allclose(turned.place(points, 128, (200, 200, 3)).T, wanted, atol=1e-4)
    np.testing.assert_allclose(turned.place(points, 128, (200, 400, 3)).T, wanted * [1, 1, 2], atol=1e-4)
    np.testing.assert_allclose(upright.place(points, 128, (200, 400, 3))[2], [8, 0, -0.5], atol=1e-4)


def test_the_next_region_is_a_square_with_level_eyes() -> None:
    """One and a half times the longer side, around the middle, turned by the line between the eyes."""
    points = np.zeros((3, 478), np.float32)
    points[0], points[1] = 50, 60
    points[:2, 33], points[:2, 263], points[:2, 10] = (30, 40), (70, 44), (50, 100)
    region = region_of_face(points)
    assert (region.x, region.y, region.width, region.height) == (50, 70, 90, 90)
    assert region.angle == pytest.approx(math.atan2(4, 40))


def one_euro(values: list[float], step_s: float, size: float) -> list[float]:
    """One coordinate through the filter of Casiez, Roussel and Vogel (2012), number by number."""

    def share(cutoff: float) -> float:
        tau = 1 / (2 * math.pi * cutoff)
        return 1 / (1 + tau / step_s)

    out, speed = [values[0]], 0.0
    for before, now in itertools.pairwise(values):
        speed += share(1.0) * ((now - before) / step_s / size - speed)
        out.append(out[-1] + share(0.05 + 80 * abs(speed)) * (now - out[-1]))
    return out


def test_smoothing_is_the_one_euro_filter() -> None:
    """Every coordinate by itself equals the filter of the paper; the first landmarks pass as they are."""
    rng = np.random.default_rng(3)
    walk = 200 + np.cumsum(rng.normal(0, 1, (40, 3, 6)), axis=0).astype(np.float32)
    walk[:, 0, 0], walk[:, 0, 1], walk[:, 1, 2], walk[:, 1, 3] = 100, 400, 150, 350  # the face keeps its size: 250
    state: Smoothed | None = None
    found = []
    for k, points in enumerate(walk):
        state = smooth(state, 5 + k / 25, points)
        found.append(state.smooth)
    for axis in range(3):
        for point in range(6):
            wanted = one_euro(walk[:, axis, point].tolist(), 1 / 25, 250.0)
            np.testing.assert_allclose(np.array(found)[:, axis, point], wanted, atol=2e-3)
    assert np.array_equal(found[0], walk[0])


def test_a_face_without_size_is_not_smoothed() -> None:
    """Landmarks that all lie on one point pass as they are: nothing is divided by their size."""
    state = smooth(smooth(None, 0.0, np.ones((3, 4), np.float32)), 0.04, np.full((3, 4), 2, np.float32))
    assert np.array_equal(state.smooth, np.full((3, 4), 2))


@pytest.fixture(scope="module")
def geometry(shared: Path) -> bytes:
    """The geometry file of the real landmarker."""
    with zipfile.ZipFile(shared / "face_landmarker.task") as inside:
        return inside.read("geometry_pipeline_metadata_landmarks.binarypb")


@pytest.fixture(scope="module")
def canonical(geometry: bytes) -> tuple[CanonicalFace, np.ndarray]:
    """The face by which poses are measured, and all its (468, 3) points in cm."""
    mesh = next(value for number, value in fields(geometry) if number == 1)
    vertices = b"".join(value for number, value in fields(mesh) if number == 3)
    return read_canonical_face(geometry), np.frombuffer(vertices, "<f4").reshape(POINTS, 5)[:, :3]


@pytest.mark.parametrize("angles", [(0, 0, 0), (20, 0, 0), (0, -15, 0), (0, 0, 25), (-12, 8, -10)])
@pytest.mark.parametrize("place", [(0, 0, -60), (8, -5, -80)])
def test_a_pose_that_was_seen_is_found(
    canonical: tuple[CanonicalFace, np.ndarray], angles: tuple[float, ...], place: tuple[float, ...]
) -> None:
    """The canonical face, turned, placed and seen by the camera: rotation within 2 degrees, place within 3 %."""
    face, points = canonical
    rotation = rotation_matrix(quaternion_from_euler(np.radians(angles)))
    stands = points @ rotation.T + place
    height, width = 480, 640
    focal = height / 2 / math.tan(math.radians(63) / 2)
    landmarks = np.zeros((3, 478), np.float32)
    landmarks[0, :POINTS] = width / 2 - focal * stands[:, 0] / stands[:, 2]
    landmarks[1, :POINTS] = height / 2 + focal * stands[:, 1] / stands[:, 2]
    landmarks[2, :POINTS] = -focal * (stands[:, 2] - place[2]) / -place[2]
    position, quaternion = head_pose(face, landmarks, (height, width, 3))
    turn = rotation_matrix(quaternion).T @ rotation
    assert math.degrees(math.acos(min(1, (np.trace(turn) - 1) / 2))) < 2
    np.testing.assert_allclose(position, place, atol=0.03 * np.linalg.norm(place))
    assert quaternion[0] >= 0
    assert np.linalg.norm(quaternion) == pytest.approx(1)


def test_a_damaged_geometry_file_is_refused(geometry: bytes) -> None:
    """Cut short at many places, empty, or of zeros: a ValueError, nothing else."""
    for damaged in (b"", bytes(100), geometry[:-1], *(geometry[:n] for n in range(1, len(geometry), 997))):
        with pytest.raises(ValueError, match=r"geometry file|cut short|wire type"):
            read_canonical_face(damaged)


def test_slopes_in_rows_change_no_bit(shared: Path) -> None:
    """The landmark network in its quick layout gives bit for bit what it gives as it is in the file."""
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: pip install 'voxface[capture]'")
    from voxface.capture.light.layout import with_slopes_in_rows
    from voxface.capture.light.nets import Net
    from voxface.capture.quiet import quiet_stderr

    with zipfile.ZipFile(io.BytesIO((shared / "face_landmarker.task").read_bytes())) as inside:
        content = inside.read("face_landmarks_detector.tflite")
    shapes = (1, 256, 256, 3), ((1, 1, 1, 1434), (1, 1, 1, 1))
    with quiet_stderr():
        plain, quick = Net(content, *shapes), Net(with_slopes_in_rows(content), *shapes)
    picture = cut_out(soft_picture(300, 300), Region(150, 150, 256, 256, 0.1), 256)
    for wanted, found in zip(plain(picture, 1 / 255), quick(picture, 1 / 255), strict=True):
        assert np.array_equal(wanted, found)
