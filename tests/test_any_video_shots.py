"""Shots: cuts are found, nothing is mixed over them (faults.md V6)."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not installed: pip install 'voxface[capture]'")

from tests.captured import JAW, make_track
from voxface.audio.container import Tally
from voxface.audio.video import probe_video, video_frames
from voxface.capture.segments import join_tracks
from voxface.capture.shots import Shots
from voxface.dataset.align import align
from voxface.errors import ClipError


@pytest.fixture(scope="module")
def clips(shared: Path) -> list[list[np.ndarray]]:
    """The pictures of nine people."""
    files = sorted(shared.glob("*_dev/*.mp4"))
    return [[frame.rgb for frame in video_frames(file, probe_video(file), 30, Tally())] for file in files]


def test_cuts_of_real_people(clips: list[list[np.ndarray]]) -> None:
    """Each of nine clips is one shot, also where the camera shakes; every one of 72 joints of two is a cut; the state
    is a value, so that each joint goes on from the same one."""
    ends = []
    for clip in clips:
        state = Shots()
        for picture in clip:
            state = state.step(picture)
        assert state.shot == 0
        assert state.standing < 0.2 * len(clip)
        ends.append(state)
    for (_, end), (second, _) in permutations(zip(clips, ends, strict=True), 2):
        behind = end.step(second[0])
        assert behind.shot == 1
        assert behind.step(second[1]).shot == 1


def test_standing_pictures_are_counted() -> None:
    """The same picture again counts, one that changed by a grey level does not."""
    rng = np.random.default_rng(1)
    picture = rng.integers(20, 200, (50, 60, 3)).astype(np.uint8)
    state = Shots()
    for shown in (picture, picture, picture + np.uint8(1), picture + np.uint8(1)):
        state = state.step(shown)
    assert (state.standing, state.shot) == (2, 0)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_mixed_over_a_cut(seed: int) -> None:
    """Shots of different constant faces: every row and every frame of a clip shows one of them whole, the one that was
    seen last; rows between two shots are not valid."""
    rng = np.random.default_rng(seed)
    n = 60
    shot = np.cumsum(rng.random(n) < 0.15).astype(np.int32)
    seen = rng.random(n) < 0.8
    track = replace(make_track(np.cumsum(rng.uniform(0.02, 0.06, n)), shot / 64, seen), shot=shot)
    rows = align(track, 300)
    clip = track.to_clip(60)
    for weights, times in ((rows.weights, np.arange(300) / 100), (clip.weights, clip.times_s)):
        last = np.clip(np.searchsorted(track.times_s[seen], times + 1e-6, side="right") - 1, 0, None)
        np.testing.assert_allclose(weights[:, JAW] * 64, shot[seen][last], atol=1e-4)
    before = np.searchsorted(track.times_s, np.arange(300) / 100, side="right") - 1
    between = (before >= 0) & (before < n - 1)
    between[between] = np.diff(shot)[before[between]] > 0
    assert between.any()
    assert not rows.valid[between].any()


def test_tracks_of_segments_join() -> None:
    """Shots are counted on, and quaternions turn no somersault, where two segments meet."""
    one = replace(make_track([0.0, 0.04, 0.08]), shot=np.array([0, 0, 1], np.int32))
    two = replace(make_track([0.12, 0.16]), shot=np.array([0, 1], np.int32))
    turned = replace(two, head=two.head * np.array([1, 1, 1, -1, -1, -1, -1], np.float32), index=two.index + 3)
    joined = join_tracks([one, turned])
    assert joined.shot.tolist() == [0, 0, 1, 1, 2]
    assert joined.shot.dtype == np.int32
    assert (joined.head[:, 3] > 0).all()
    assert joined.index.tolist() == [0, 1, 2, 3, 4]


def test_a_track_knows_its_shots() -> None:
    """Without shots there is one; shots of another length, or that fall, are refused."""
    track = make_track([0.0, 0.04, 0.08])
    assert track.shot.tolist() == [0, 0, 0]
    for wrong in (np.zeros(2, np.int32), np.array([0, 1, 0], np.int32)):
        with pytest.raises(ClipError, match="shot"):
            replace(track, shot=wrong)
