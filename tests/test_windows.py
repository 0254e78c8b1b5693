"""Windows over a clip: cut and joined without seams, first frames first, the original's way on request."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from voxface.bundle import WindowSpec
from voxface.errors import BundleSchemaError, UsageError
from voxface.face.rig import LIVELINK_61
from voxface.runtime.window_net import Windows
from voxface.runtime.windows import MOST_WINDOWS, joined, window_starts

Net = Callable[[np.ndarray], np.ndarray]


def same(windows: np.ndarray) -> np.ndarray:
    """A net that gives back what it hears."""
    return windows


def clip_of(count: int, width: int = 2) -> np.ndarray:
    return np.random.default_rng(count).standard_normal((count, width)).astype(np.float32)


def odd_net(windows: np.ndarray) -> np.ndarray:
    """A net whose answer depends on where in the window a frame stands, and on all frames of the window."""
    place = np.arange(windows.shape[1], dtype=np.float32)[None, :, None]
    return np.repeat(np.cumsum(windows, axis=1)[..., :1] / 9 + place / 50, 68, axis=2)


def original(rows: np.ndarray, net: Net, window: WindowSpec) -> np.ndarray:
    """N5, step by step: windows at every stride, a short one padded with its last frame and cut back, then joined."""
    result: list[np.ndarray] = []
    for start in range(0, len(rows), window.frames - window.overlap):
        piece = list(rows[start : start + window.frames])
        padded = piece + [piece[-1]] * (window.frames - len(piece))
        answer = net(np.stack(padded)[None])[0][: len(piece)]
        shared = min(window.overlap, len(result), len(answer))
        for i in range(shared):
            old = result[len(result) - shared + i]
            result[len(result) - shared + i] = (1 - i / shared) * old + i / shared * answer[i]
        result += list(answer[shared:])
    return np.stack(result)


@pytest.mark.parametrize("compat", [False, True])
@pytest.mark.parametrize(
    ("window", "step"),
    [
        (WindowSpec(), 1),
        (WindowSpec(16, 0), 37),
        (WindowSpec(16, 15), 201),
        (WindowSpec(30, 21), 67),
        (WindowSpec(1, 0), 397),
    ],
    ids=str,
)
def test_a_net_that_changes_nothing_changes_nothing(window: WindowSpec, step: int, compat: bool) -> None:
    """The joined answer of the identity is the clip, to the last bit: any length from 9 to 2000, any overlap."""
    for count in range(9, 2001, 5 * step if compat else step):
        rows = clip_of(count)
        assert np.array_equal(np.concatenate(list(joined(rows, same, window, compat))), rows), count


def test_windows_end_with_the_clip() -> None:
    """The last window is full of sound and ends with the clip; the original's begin at every stride (N5's example)."""
    assert window_starts(600, WindowSpec()) == [0, 96, 192, 288, 384, 472]
    assert window_starts(600, WindowSpec(), compat=True) == [0, 96, 192, 288, 384, 480, 576]
    assert [window_starts(count, WindowSpec()) for count in (9, 128, 129, 224, 225)] == [
        [0], [0], [0, 1], [0, 96], [0, 96, 97],
    ]  # fmt: skip


@pytest.mark.parametrize("count", [9, 127, 128, 129, 223, 224, 225, 257, 600, 668, 2000])
def test_compat_is_the_original_step_by_step(count: int) -> None:
    """With compat the joined answer is what the original's loop gives, weaker clip end included."""
    rows = clip_of(count)
    found = np.concatenate(list(joined(rows, odd_net, WindowSpec(), compat=True)))
    np.testing.assert_allclose(found, original(rows, odd_net, WindowSpec()), atol=1e-4)
    if count == 600:
        ours = np.concatenate(list(joined(rows, odd_net, WindowSpec())))
        assert np.abs(ours - found)[-24:].max() > 0.1, "else the end was no different"


def test_one_window_fades_into_the_next() -> None:
    """Two windows that each give a constant: linear over the shared frames, the first of them still the old one's."""

    def numbered(windows: np.ndarray) -> np.ndarray:
        return np.broadcast_to(np.arange(len(windows), dtype=np.float32)[:, None, None], windows.shape)

    rows = clip_of(12, 1)
    found = np.concatenate(list(joined(rows, numbered, WindowSpec(8, 4))))[:, 0]
    np.testing.assert_allclose(found, [0, 0, 0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1, 1])
    anchored = np.concatenate(list(joined(rows[:10], numbered, WindowSpec(8, 4))))[:, 0]
    np.testing.assert_allclose(anchored, [0, 0, 0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1, 1], atol=1e-6)


def test_a_short_clip_is_one_window_filled_with_its_last_frame() -> None:
    """What a net hears of 9 frames: those, then the last one over and over; what comes back is 9 frames long."""
    heard: list[np.ndarray] = []

    def listening(windows: np.ndarray) -> np.ndarray:
        heard.append(windows)
        return windows

    rows = clip_of(9)
    assert len(np.concatenate(list(joined(rows, listening, WindowSpec())))) == 9
    assert heard[0].shape == (1, 128, 2)
    assert np.array_equal(heard[0][0, :9], rows)
    assert np.array_equal(heard[0][0, 9:], np.repeat(rows[8:], 119, axis=0))


def test_frames_come_as_soon_as_they_are_final() -> None:
    """At most 16 windows a call, and each call's frames are given before the next call; together they are the whole."""
    calls: list[int] = []

    def counting(windows: np.ndarray) -> np.ndarray:
        calls.append(len(windows))
        return odd_net(windows)

    rows = clip_of(4000, 3)
    net = Windows(counting, 3, WindowSpec(ease_in_frames=6))
    pieces = []
    for weights, _emotion in net.batches(rows):
        pieces.append(weights)
        assert len(calls) == len(pieces)
    assert calls == [MOST_WINDOWS, MOST_WINDOWS, 10]
    assert np.array_equal(np.concatenate(pieces), net.whole(rows)[0])
    assert len(pieces[0]) == 16 * 96


def test_units_ease_in_and_zeroed_channels() -> None:
    """Weights and angles divided, emotions on their own; the first 6 frames rise from 0; zeroed names are 0."""
    window = WindowSpec(16, 4, divide=100, divide_emotion=50, ease_in_frames=6, zeroed=("tongueOut", "headYaw"))
    net = Windows(lambda rows: np.full((*rows.shape[:2], 68), 50, np.float32), 3, window)
    weights, emotion = net.whole(clip_of(40, 3))
    rise = np.minimum(np.arange(40) / 5, 1)
    zeroed = [LIVELINK_61.index(name) for name in window.zeroed]
    np.testing.assert_allclose(
        np.delete(weights, zeroed, axis=1), np.repeat(rise[:, None] * 0.5, 59, axis=1), atol=1e-6
    )
    assert not weights[:, zeroed].any()
    np.testing.assert_allclose(emotion, np.repeat(rise[:, None], 7, axis=1), atol=1e-6)
    assert net.whole(clip_of(40, 3), compat=True)[1].max() == pytest.approx(100), "the original's emotions are percent"
    assert [part.shape for part in net.whole(clip_of(0, 3))] == [(0, 61), (0, 7)]
    assert net.whole(clip_of(2, 3))[0].shape == (2, 61), "shorter than the ease-in"


@pytest.mark.parametrize(
    "features",
    [np.zeros((9, 3)), np.zeros((9, 4), np.float32), np.zeros(9, np.float32), np.full((9, 3), np.nan, np.float32)],
    ids=["float64", "width", "flat", "nan"],
)
def test_features_of_another_kind_are_refused(features: np.ndarray) -> None:
    """Another width, type or number of axes, and NaN: one sentence that names what is needed."""
    with pytest.raises(UsageError, match=r"\(frames, 3\) float32|finite"):
        Windows(same, 3, WindowSpec()).whole(features)


@pytest.mark.parametrize(
    "wrong",
    [{"overlap": 128}, {"frames": 0}, {"frames": 12.5}, {"divide": 0.0}, {"divide": float("inf")},
     {"zeroed": ("tailWag",)}, {"ease_in_frames": -1}],
    ids=str,
)  # fmt: skip
def test_windows_that_cannot_be_are_refused(wrong: dict[str, object]) -> None:
    """Overlaps as long as the window, divisors of 0, unknown channels: refused when the description is read."""
    with pytest.raises(BundleSchemaError):
        WindowSpec(**wrong)
