"""Captures become rows: alignment, masks, windows, splits without leaks, calibration."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.captured import JAW, make_capture, make_recording, make_track
from voxface.dataset.align import align, valid_rows
from voxface.dataset.loudness import relative_level_db
from voxface.dataset.quality import check_and_clip, total
from voxface.dataset.recording import CHANNELS, LEAST_RANGE, calibrated
from voxface.dataset.rest import Calibration, SpeakerRows, calibrate
from voxface.dataset.speakers import parse_speaker_rule
from voxface.dataset.split import Item, SplitRule, default_rule, parse_rule, split
from voxface.dataset.windows import window_count, windows
from voxface.errors import DatasetError, UsageError
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT

# Alignment


def test_interpolation_matches_the_golden_values() -> None:
    """0.2 at 0.000 s and 0.8 at 0.033 s give 0.3818 at 0.010 and 0.5636 at 0.020 (SPEC A3)."""
    rows = align(make_track([0.0, 0.033], [0.2, 0.8]), 5)
    np.testing.assert_allclose(rows.weights[:4, JAW], [0.2, 0.381818, 0.563636, 0.745455], atol=1e-6)
    assert rows.valid.tolist() == [True, True, True, True, False]


def test_every_channel_equals_np_interp() -> None:
    """Weights, gap, width and position are what np.interp gives for each channel over the seen frames."""
    rng = np.random.default_rng(3)
    times = np.sort(rng.uniform(0, 1, 30))
    seen = rng.uniform(size=30) < 0.8
    track = replace(
        make_track(times, seen=seen),
        weights=rng.uniform(size=(30, 52)).astype(np.float32),
        lip_gap=rng.uniform(size=30).astype(np.float32),
        mouth_width=rng.uniform(size=30).astype(np.float32),
    )
    rows, at = align(track, 101), np.arange(101) / 100
    for channel in range(52):
        expected = np.interp(at, times[seen], track.weights[seen, channel])
        np.testing.assert_allclose(rows.weights[:, channel], expected, atol=1e-6)
    np.testing.assert_allclose(rows.gap, np.interp(at, times[seen], track.lip_gap[seen]), atol=1e-6)
    np.testing.assert_allclose(rows.width, np.interp(at, times[seen], track.mouth_width[seen]), atol=1e-6)


def test_rotation_takes_the_short_way_and_stays_of_length_one() -> None:
    """q and -q are the same rotation: between two frames that differ in sign the row stays near both."""
    head = np.array([[0, 0, -1, 1, 0, 0, 0], [0, 0, -1, -0.98, -0.19899749, 0, 0]], np.float32)
    rows = align(replace(make_track([0.0, 0.04]), head=head), 5)
    np.testing.assert_allclose(np.linalg.norm(rows.head[:, 3:], axis=1), 1, atol=1e-6)
    assert (rows.head[:, 3] > 0.97).all()
    np.testing.assert_allclose(rows.head[2, 4], 0.1, atol=1e-3)


def test_position_is_relative_to_the_median_of_the_recording() -> None:
    """A face 1.2 m away becomes movement around 0, and the median is kept."""
    track = make_track(np.arange(50) / 25)
    head = track.head.copy()
    head[:, 2] = -1.2 + 0.01 * np.arange(-25, 25)
    rows = align(replace(track, head=head), 197)
    np.testing.assert_allclose(rows.median_m, [0.02, 0, -1.205], atol=1e-6)
    assert abs(np.median(rows.head[rows.valid, 2])) < 0.01
    assert np.abs(rows.head[:, 2]).max() < 0.26


@pytest.mark.parametrize(
    ("times", "seen", "valid"),
    [
        ([0.02, 0.04, 0.06], [1, 1, 1], [0, 0, 1, 1, 1, 1, 1, 0, 0]),  # before the first and after the last: no
        ([0.0, 0.02, 0.04, 0.06], [1, 0, 1, 1], [1, 0, 0, 0, 1, 1, 1, 0, 0]),  # an unseen neighbour: no
        ([0.0, 0.02, 0.04, 0.07, 0.08], [1] * 5, [1] * 9),  # 1.5 frame intervals: yes
        ([0.0, 0.02, 0.04, 0.075, 0.08], [1] * 5, [1, 1, 1, 1, 1, 0, 0, 0, 1]),  # more: no
        ([0.05], [1], [0, 0, 0, 0, 0, 1, 0, 0, 0]),  # one frame is valid at its own time
        ([], [], [0] * 9),
    ],
)
def test_a_row_needs_two_seen_neighbours_close_together(times: list[float], seen: list[int], valid: list[int]) -> None:
    """Validity follows SPEC A3: both frames around a row are seen and at most 1.5 frame intervals apart."""
    found = valid_rows(np.array(times, float), np.array(seen, bool), 9)
    assert found.tolist() == [bool(v) for v in valid]


def test_a_track_without_a_face_gives_placeholders() -> None:
    """No face anywhere: zeros, the resting head, no valid row, all finite."""
    rows = align(make_track(np.arange(10) / 25, 0.5, seen=False), 40)
    assert not rows.valid.any()
    assert not rows.weights.any()
    np.testing.assert_array_equal(rows.head[7], [0, 0, 0, 1, 0, 0, 0])


# Quality


def test_what_is_out_of_range_is_counted_clipped_and_named() -> None:
    """Weights outside [0, 1] are clipped; those beyond (-0.1, 1.1) are counted by channel; the rest is untouched."""
    capture = make_capture()
    track = capture.track
    weights = track.weights.copy()
    weights[:, 3], weights[:, 4], weights[:, 5] = 1.05, 1.2, -0.3
    raw = align(replace(track, weights=weights), 201)
    face, quality = check_and_clip(raw, capture.samples, track.seen)
    valid = int(raw.valid.sum())
    assert quality.far_outside == {ARKIT[4]: valid, ARKIT[5]: valid}
    assert quality.weights_clipped == 3 * valid
    assert face.weights.min() >= 0
    assert face.weights.max() <= 1
    np.testing.assert_array_equal(face.weights[:, 6:], raw.weights[:, 6:])
    assert quality.shares["weights_clipped"] == pytest.approx(3 / 52)
    both = total([quality, quality])
    assert both.far_outside[ARKIT[4]] == 2 * valid
    assert both.seconds == pytest.approx(4.0)


def test_mel_cells_above_the_ceiling_are_counted() -> None:
    """A full-scale tone has cells above 10 dB, and the count falls to 0 under a ceiling above them all."""
    track = make_track(np.arange(50) / 25)
    raw = align(track, 201)
    tone = np.sin(2 * np.pi * 300 * np.arange(32_000) / 16_000).astype(np.float32)
    assert 0 < check_and_clip(raw, tone, track.seen)[1].shares["mel_above"] < 0.2
    assert check_and_clip(raw, tone, track.seen, ceiling_db=60.0)[1].mel_cells_above == 0


def test_speech_and_quiet_follow_the_level() -> None:
    """A tone 40 dB below another is quiet; the level is in dB re the loudest row; silence is never speech."""
    tone = np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000).astype(np.float32)
    level = relative_level_db(np.concatenate([tone, 0.01 * tone]))
    assert level.max() == 0
    np.testing.assert_allclose(level[10:90], 0, atol=0.2)
    np.testing.assert_allclose(level[110:190], -40, atol=0.2)
    assert (relative_level_db(np.zeros(1600, np.float32)) == -np.inf).all()


# Calibration


def test_rest_is_the_quiet_face_with_closed_lips() -> None:
    """Rest comes from quiet rows with the lips closed: an open mouth before speech does not count as rest."""
    rng = np.random.default_rng(0)
    jaw = np.concatenate([np.full(100, 0.02), np.full(100, 0.3), 0.02 + 0.5 * rng.uniform(size=600)])
    weights = np.full((800, 52), 0.2, np.float32)
    weights[:, JAW] = jaw
    gap = (0.2 * (jaw - 0.02)).astype(np.float32)
    found = calibrate([SpeakerRows(weights, gap, np.arange(800) < 200)])
    assert (found.method, found.rows) == ("quiet", 800)
    assert found.rest[JAW] == pytest.approx(0.02)
    assert found.rest[0] == pytest.approx(0.2)
    assert found.gap_r > 0.999


def test_without_quiet_the_rest_is_a_low_percentile() -> None:
    """Too few resting rows: the 10th percentile of each channel."""
    weights = np.tile(np.linspace(0, 1, 101, dtype=np.float32)[:, None], (1, 52))
    found = calibrate([SpeakerRows(weights, weights[:, 0], np.zeros(101, bool))])
    assert found.method == "percentile"
    np.testing.assert_allclose(found.rest, 0.1, atol=1e-6)


def test_measured_gap_lands_on_the_calibrated_rig() -> None:
    """5th and 95th percentile of the mapped gap equal those of the calibrated rig's gap (SPEC C5)."""
    rng = np.random.default_rng(4)
    weights = rng.uniform(0, 0.5, (500, 52)).astype(np.float32)
    gap = rng.uniform(0, 0.08, 500).astype(np.float32)
    found = calibrate([SpeakerRows(weights, gap, np.zeros(500, bool))])
    rig = rig_gap(calibrated(weights, found.rest), ARKIT)
    mapped = found.gap_scale * gap + found.gap_offset
    np.testing.assert_allclose(np.percentile(mapped, [5, 95]), np.percentile(rig, [5, 95]), atol=1e-5)


def test_calibrated_is_zero_at_rest_and_one_at_full_pose() -> None:
    """(w - rest) / (1 - rest) within [0, 1]; a channel that rests near 1 is not blown up."""
    weights = np.array([[0.2, 1.0, 0.1, 0.98, 1.0]], np.float32)
    rest = np.array([0.2, 0.2, 0.2, 0.98, 0.98], np.float32)
    np.testing.assert_allclose(calibrated(weights, rest), [[0, 1, 0, 0, 0.02 / LEAST_RANGE]], atol=1e-6)


def test_calibration_survives_json() -> None:
    """A calibration read back from JSON has the same float32 values, bit by bit."""
    rest = np.random.default_rng(1).uniform(size=52).astype(np.float32)
    before = Calibration(rest, "quiet", 70, 900, 4.123456789, -0.01, 0.98)
    after = Calibration.from_json(json.loads(json.dumps(before.to_json())))
    np.testing.assert_array_equal(after.rest, rest)
    assert (after.gap_scale, after.gap_offset, after.method) == (before.gap_scale, before.gap_offset, "quiet")


# Windows


@pytest.mark.parametrize(
    ("rows", "window", "overlap", "count"), [(301, 24, 12, 24), (24, 24, 12, 1), (23, 24, 12, 0), (35, 24, 12, 1),
    (36, 24, 12, 2), (300, 63, 0, 4), (300, 63, 62, 238)],
)  # fmt: skip
def test_number_of_windows_follows_the_formula(rows: int, window: int, overlap: int, count: int) -> None:
    """N = (rows - window) // (window - overlap) + 1, starts at multiples of window - overlap, the last whole."""
    assert window_count(rows, window, overlap) == count
    cut = windows(make_recording(rows), np.zeros((rows, 80), np.float32), window, overlap)
    assert len(cut) == count
    assert cut.starts.tolist() == [i * (window - overlap) for i in range(count)]
    assert all(start + window <= rows for start in cut.starts)


def test_windows_hold_the_rows_they_name() -> None:
    """audio (N, 24, 80), target (N, 24, 59), mask (N, 24): each row is that of the recording."""
    features = np.random.default_rng(0).standard_normal((100, 80)).astype(np.float32)
    recording = make_recording(100, np.arange(100) % 3 > 0)
    cut = windows(recording, features)
    assert cut.audio_sequences.shape == (7, 24, 80)
    assert cut.target_sequences.shape == (7, 24, len(CHANNELS))
    assert cut.mask.shape == (7, 24)
    for i, start in enumerate(cut.starts):
        rows = slice(start, start + 24)
        np.testing.assert_array_equal(cut.audio_sequences[i], features[rows])
        np.testing.assert_array_equal(cut.target_sequences[i, :, :52], recording.weights[rows])
        np.testing.assert_array_equal(cut.target_sequences[i, :, 52:], recording.head[rows])
        np.testing.assert_array_equal(cut.mask[i], recording.valid[rows])


def test_windows_need_a_face_in_half_of_their_rows() -> None:
    """A window with a face in 12 of 24 rows is kept, one with 11 is dropped."""
    valid = np.zeros(60, bool)
    valid[:12] = True  # the window at 0 has 12, that at 12 has none
    valid[36:47] = True  # that at 24 has 11, that at 36 has 11
    cut = windows(make_recording(60, valid), np.zeros((60, 80), np.float32))
    assert cut.starts.tolist() == [0]


def test_windows_refuse_what_cannot_be() -> None:
    """An overlap that does not move on, and features of another length, are said."""
    with pytest.raises(UsageError, match="overlap 24"):
        windows(make_recording(60), np.zeros((60, 80), np.float32), 24, 24)
    with pytest.raises(DatasetError, match="60 rows, its features have 59"):
        windows(make_recording(60), np.zeros((59, 80), np.float32))


def test_a_recording_is_valid_from_birth() -> None:
    """Other shapes, NaN, and unknown splits are refused; the arrays are read-only."""
    with pytest.raises(DatasetError, match=r"gap must be \(100,\)"):
        make_recording(gap=np.zeros(99, np.float32))
    with pytest.raises(DatasetError, match="finite"):
        make_recording(width=np.full(100, np.nan, np.float32))
    with pytest.raises(DatasetError, match="splits are train"):
        make_recording(split="dev")
    with pytest.raises(ValueError, match="read-only"):
        make_recording().weights[0, 0] = 1


# Splits


def people(*speakers: str, each: int = 3) -> list[Item]:
    """`each` recordings of every speaker, each video its own."""
    return [Item(f"{who}{i}", who, f"{who}{i}") for who in speakers for i in range(each)]


def test_split_by_hash_is_that_of_the_issue() -> None:
    """sha256:N,M sorts names by their SHA-256: the first N train, the next M validate, the rest test."""
    items = [Item(f"clip{i}", "s1", str(i)) for i in range(20)]
    found = dict(zip((item.name for item in items), split(items, parse_rule("sha256:12,5")), strict=True))
    ordered = sorted(found, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert [found[name] for name in ordered] == ["train"] * 12 + ["validate"] * 5 + ["test"] * 3


def test_split_does_not_depend_on_the_order() -> None:
    """The same recordings in another order land in the same splits."""
    items, rule = people("a", "b", "c", "d", each=4), parse_rule("speaker:0.5,0.25")
    forward = dict(zip(items, split(items, rule), strict=True))
    backward = dict(zip(items[::-1], split(items[::-1], rule), strict=True))
    assert forward == backward
    assert sorted(forward.values()).count("train") == 8


def test_a_speaker_stays_in_one_split() -> None:
    """With several speakers a split by recording is refused unless it is meant; by speaker it is fine."""
    items = people("a", "b", "c", each=6)
    with pytest.raises(DatasetError, match="3 of 3 speakers"):
        split(items, parse_rule("sha256:9,4"))
    assert len(split(items, parse_rule("sha256:9,4", shared_speakers=True))) == 18
    assert default_rule(items).kind == "speaker"
    assert default_rule(people("a")).kind == "sha256"


def test_the_same_video_is_never_in_two_splits() -> None:
    """Two names of one video that land in two splits fail the build (M10), also when speakers may be shared."""
    items = [Item("one", "a", "same"), Item("two", "b", "same")]
    with pytest.raises(DatasetError, match="same video would stand in two splits"):
        split(items, parse_rule("all:train", test_speakers=["b"], shared_speakers=True))


def test_named_speakers_go_where_they_are_sent() -> None:
    """--test-speaker and --validate-speaker win over the rule; unknown names are refused with those there are."""
    items = people("a", "b", "c", each=1)
    assert split(items, parse_rule("all:train", ["b"], ["c"])) == ["train", "test", "validate"]
    with pytest.raises(DatasetError, match=r"no recording is by x.*Speakers: a, b, c"):
        split(items, parse_rule("all:train", ["x"]))


@pytest.mark.parametrize("text", ["", "sha256", "sha256:1", "sha256:a,b", "hash:1,1", "sha256:0.9,0.2", "sha256:-1,2",
                                  "sha256:nan,0", "all:dev", "sha256:1.5,2"])  # fmt: skip
def test_a_wrong_rule_is_a_usage_error(text: str) -> None:
    """What is no rule is refused with the forms that are."""
    with pytest.raises(UsageError, match=r"sha256:900,50"):
        parse_rule(text)


def test_a_rule_that_asks_for_more_than_there_is_says_so() -> None:
    """sha256:900,50 of 5 recordings is refused, not silently cut; shares of few recordings work."""
    with pytest.raises(DatasetError, match="at least 950 recordings; there are 5"):
        split(people("a", each=5), parse_rule("sha256:900,50"))
    assert split(people("a", each=1), SplitRule()) == ["train"]


# Speakers


def test_speakers_come_from_name_folder_stem_or_table(tmp_path: Path) -> None:
    """Each rule names the speaker it promises; a recording that the table lacks is an error of that recording."""
    path = tmp_path / "anna" / "hello.capture.safetensors"
    table = tmp_path / "who.tsv"
    table.write_text("# recording\tspeaker\nhello\tbert\n", encoding="utf-8")
    assert parse_speaker_rule("carl", None).of(path, "hello") == "carl"
    assert parse_speaker_rule(None, None).of(path, "hello") == "anna"
    assert parse_speaker_rule(None, "stem").of(path, "hello") == "hello"
    assert parse_speaker_rule(None, str(table)).of(path, "hello") == "bert"
    with pytest.raises(DatasetError, match="does not name the recording 'other'"):
        parse_speaker_rule(None, str(table)).of(path, "other")
    with pytest.raises(UsageError, match="exclude"):
        parse_speaker_rule("a", "stem")
    table.write_text("hello bert\n", encoding="utf-8")
    with pytest.raises(DatasetError, match="line 1"):
        parse_speaker_rule(None, str(table))
