"""The offset of face and sound: estimated where the sound tells about the lips, unknown elsewhere, and acted upon."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.captured import make_capture, make_track, put
from voxface.audio.features import FeatureSpec
from voxface.capture.store import Capture
from voxface.dataset.build import BuildOptions, Built, build_dataset
from voxface.dataset.speakers import SpeakerRule
from voxface.dataset.split import parse_rule
from voxface.dataset.sync import SyncRows, estimate_offset
from voxface.errors import DatasetError, InputWarning, UsageError
from voxface.stream import Array, run_whole

FRAME_MS = 40.0


def envelope(seconds: float, seed: int) -> Array:
    """(samples,) in [0, 1]: syllables of random height that never repeat, some 4 a second."""
    rng = np.random.default_rng(seed)
    knots = np.arange(0, seconds + 1, 0.125)
    return np.interp(np.arange(int(seconds * 16_000)) / 16_000, knots, rng.uniform(size=len(knots)) ** 2)


def talking(seconds: float, late_ms: float, seed: int = 1, name: str = "talk") -> Capture:
    """Noise under an envelope, and a jaw that follows the envelope `late_ms` later, 25 frames a second."""
    loud = envelope(seconds, seed)
    noise = np.random.default_rng(seed + 100).standard_normal(len(loud))
    times = np.arange(int(seconds * 25)) / 25
    jaw = np.interp(times - late_ms / 1000, np.arange(len(loud)) / 16_000, loud) * 0.6
    samples = (0.2 * (loud + 0.002) * noise).clip(-1, 1).astype(np.float32)
    return make_capture(name, seconds, seed, track=make_track(times, jaw), samples=samples)


def rows_of(capture: Capture) -> SyncRows:
    """What the estimate looks at."""
    from voxface.dataset.align import align

    mel = run_whole(FeatureSpec().extractor(), capture.samples)
    face = align(capture.track, len(mel))
    return SyncRows(mel, face.gap, face.valid)


@pytest.mark.parametrize("late_ms", [-360.0, -120.0, 120.0, 200.0])
def test_a_shift_is_found(late_ms: float) -> None:
    """A face that comes late, or early, by whole frames is found to be so, to a frame."""
    found = estimate_offset([rows_of(talking(30, late_ms))], FRAME_MS)
    assert found.verdict == "known"
    assert found.offset_ms == pytest.approx(late_ms, abs=FRAME_MS)
    assert found.best_r is not None
    assert found.zero_r is not None
    assert found.best_r > 0.6
    assert found.best_r - found.zero_r > 0.05


def test_short_recordings_are_pooled() -> None:
    """Ten recordings of 4 s give the offset that none of them has sound enough for."""
    parts = [rows_of(talking(4, 160, seed)) for seed in range(10)]
    assert estimate_offset(parts[:1], FRAME_MS).verdict == "too short"
    found = estimate_offset(parts, FRAME_MS)
    assert found.offset_ms == pytest.approx(160, abs=FRAME_MS)
    assert found.recordings == 10


def test_what_is_in_sync_or_says_nothing_has_no_offset() -> None:
    """In sync: no lag is better than 0. Lips that do not follow the sound: unknown. Neither is moved."""
    in_sync = estimate_offset([rows_of(talking(30, 0))], FRAME_MS)
    assert (in_sync.verdict, in_sync.offset_ms) == ("no lag is better", None)
    rows = rows_of(talking(30, 0))
    other = SyncRows(rows.mel, rows_of(talking(30, 0, seed=7)).gap, rows.valid)
    apart = estimate_offset([other], FRAME_MS)
    assert (apart.verdict, apart.offset_ms) == ("sound tells too little", None)


def test_rows_without_a_face_do_not_count() -> None:
    """Where no face is seen the lip gap is a placeholder; nonsense there changes nothing."""
    rows = rows_of(talking(40, 120))
    valid = rows.valid.copy()
    valid[1000:2000] = False
    gap = rows.gap.copy()
    gap[1000:2000] = np.random.default_rng(0).uniform(size=1000)
    clean = estimate_offset([SyncRows(rows.mel, rows.gap, valid)], FRAME_MS)
    assert estimate_offset([SyncRows(rows.mel, gap, valid)], FRAME_MS) == clean
    assert clean.offset_ms == pytest.approx(120, abs=FRAME_MS)


def build(tmp_path: Path, sync: str, *captures: Capture) -> Built:
    """A dataset of one speaker."""
    options = BuildOptions(SpeakerRule("name", "s"), parse_rule("all:train"), sync=sync)
    return build_dataset([put(tmp_path / "captures", *captures)], tmp_path / "set", options)


def shift(capture: Capture, built: Built) -> float:
    """By how many ms the jaw of the (only) recording comes earlier than in its capture."""
    (recording,) = built.dataset.recordings("train")
    (entry,) = built.dataset.entries("train")
    jaw = recording.gap[recording.valid]
    from voxface.dataset.align import align

    moved = align(replace(capture.track, times_s=capture.track.times_s - entry.facts.offset_ms / 1000), recording.rows)
    np.testing.assert_array_equal(moved.gap[moved.valid], jaw)
    return entry.facts.offset_ms


def test_an_offset_is_reported_and_corrected_on_request(tmp_path: Path) -> None:
    """Report warns and leaves the face where it is; correct moves it back; off does not look."""
    capture = talking(25, 120)
    with pytest.warns(InputWarning, match=r"W-SYNC.*\+120 ms late"):
        reported = build(tmp_path, "report", capture)
    assert shift(capture, reported) == 0
    assert reported.dataset.manifest.sync["recording talk"]["offset_ms"] == pytest.approx(120)
    corrected = build(tmp_path, "correct", capture)
    assert shift(capture, corrected) == pytest.approx(120)
    assert len(list((tmp_path / "set" / "recordings").iterdir())) == 1, "the uncorrected recording has gone"
    off = build(tmp_path, "off", capture)
    assert shift(capture, off) == 0
    assert off.dataset.manifest.sync == {}


def test_beyond_200_ms_is_left_out(tmp_path: Path) -> None:
    """Face and sound 320 ms apart: alone it is the error, among others it is named and the others are used."""
    with pytest.raises(DatasetError, match=r"left out.*320 ms late.*over 200 ms"):
        build(tmp_path / "alone", "report", talking(25, 320))
    both = build(tmp_path / "both", "report", talking(25, 320), talking(25, 0, seed=3, name="fine"))
    assert [entry.name for entry in both.dataset.manifest.entries] == ["fine"]
    assert len(both.failures) == 1


def test_sync_is_one_of_three() -> None:
    """Another word is a usage error with the words that are."""
    wrong: Any = "maybe"
    with pytest.raises(UsageError, match="report, correct, off"):
        BuildOptions(sync=wrong)
