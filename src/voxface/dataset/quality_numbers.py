"""How good a capture is, in numbers that are judged (quality_verdict) and shown (report)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from voxface.audio.features import FeatureSpec
from voxface.capture.store import Capture
from voxface.dataset.loudness import SPEECH_DB, relative_level_db
from voxface.dataset.quick_sync import QuickSync, lip_rows, quick_sync
from voxface.dataset.sync import SyncRows
from voxface.face.axes import euler_angles
from voxface.face.compare import pearson
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT
from voxface.face.track import FaceTrack
from voxface.stream import Array, run_whole
from voxface.timebase import ROW_HOP, SAMPLE_RATE_HZ, row_count

TURNED_DEG = 30.0
"""A head turned further than this, sideways, up or down, hides a part of the mouth."""

FACE_AT_1_M = 0.146
"""Height of a face from forehead to chin, in heights of the picture, at 1 m from the tracker's camera, which sees 63
degrees from top to bottom. Measured on nine clips at four sizes: right to within 8 %."""

FULL_SCALE = 0.999
"""A sample at or beyond this was as loud as the recording can hold."""

_MOST_S = 600  # of sound that are compared with the lips


@dataclass(frozen=True, slots=True)
class Numbers:
    """One capture in numbers; None: not known.

    seconds:      of sound
    face_share:   frames with a face
    face_height:  median height of the face from forehead to chin, in heights of the picture
    face_pixels:  the same in pixels; None for captures that do not tell the size of the picture
    yaw_deg, pitch_deg: median, positive to the subject's left and down
    turned_share: seen frames with yaw or pitch beyond 30 degrees
    jitter_deg:   median of |second difference| of yaw and pitch from frame to frame: what trembles, not what turns
    gap_range:    5th to 95th percentile of the lip gap, in face heights
    gap_r:        Pearson r of the measured lip gap and that of the weights: two views of the same lips
    sound_r:      Pearson r of the lip gap and what the sound says of it, at the best lag; zero_r: as it is (quick_sync)
    hint_ms:      how much later the face probably is than the sound; sound_r_by_lag: r over quick_sync.LAGS_MS
    speech_share: rows within 25 dB of the loudest
    level_db:     RMS of the speech, in dB re full scale
    floor_db:     5th percentile of the level, in dB re the loudest row: what lies under the speech
    full_scale_share: samples at full scale
    samples_clipped: samples beyond full scale, which a dataset cannot hold and clips
    cuts:         places where another shot begins
    most_faces:   in one picture
    broken_share: frames that could not be decoded or had no usable time
    """

    seconds: float
    face_share: float
    face_height: float | None
    face_pixels: float | None
    yaw_deg: float
    pitch_deg: float
    turned_share: float
    jitter_deg: float
    gap_range: float
    gap_r: float
    sound_r: float | None
    zero_r: float | None
    hint_ms: float | None
    sound_r_by_lag: tuple[float, ...]
    speech_share: float
    level_db: float
    floor_db: float
    full_scale_share: float
    samples_clipped: int
    cuts: int
    most_faces: int
    broken_share: float

    @property
    def face_seconds(self) -> float:
        """About how long a face is seen."""
        return self.seconds * self.face_share

    def to_json(self) -> dict[str, Any]:
        """As they stand in the manifest: without r by lag, which only draws a curve."""
        return {name: value for name, value in asdict(self).items() if name != "sound_r_by_lag"}


def measure(capture: Capture) -> Numbers:
    """Look at a capture that has sound; a track without any face gives zeros."""
    track, tracker = capture.track, capture.tracker
    sync = _sync(capture)
    return Numbers(
        seconds=round(len(capture.samples) / SAMPLE_RATE_HZ, 3),
        face_share=round(capture.seen_share, 4),
        **_face(track, tracker.get("height")),
        **_lips(track),
        sound_r=sync.best_r if sync else None,
        zero_r=sync.zero_r if sync else None,
        hint_ms=sync.hint_ms if sync else None,
        sound_r_by_lag=sync.r if sync else (),
        **_sound(capture.samples),
        cuts=int(np.count_nonzero(np.diff(track.shot))),
        most_faces=int(tracker.get("most_faces", 1)),
        broken_share=_broken(tracker, len(track)),
    )


def _sync(capture: Capture) -> QuickSync | None:
    """The first ten minutes of sound and lips, compared."""
    samples = capture.samples[: _MOST_S * SAMPLE_RATE_HZ]
    gap, valid = lip_rows(capture.track, row_count(len(samples)))
    return quick_sync(SyncRows(run_whole(FeatureSpec().extractor(), samples), gap, valid))


def _face(track: FaceTrack, picture_pixels: Any) -> dict[str, Any]:
    head = track.head[track.seen].astype(np.float64)
    turn = np.degrees(euler_angles(head[:, 3:]))[:, :2]
    away = float(-np.median(head[:, 2])) if len(head) else 0.0
    height = round(FACE_AT_1_M / away, 3) if away > 0.01 else None  # a clip from elsewhere may have no position
    yaw, pitch = np.median(turn, axis=0) if len(turn) else (0.0, 0.0)
    return {
        "face_height": height,
        "face_pixels": round(height * float(picture_pixels), 1) if height and picture_pixels else None,
        "yaw_deg": round(float(yaw), 1),
        "pitch_deg": round(float(pitch), 1),
        "turned_share": round(float((np.abs(turn).max(axis=1) > TURNED_DEG).mean()), 4) if len(turn) else 0.0,
        "jitter_deg": round(float(np.median(np.abs(np.diff(turn, 2, axis=0)))), 3) if len(turn) > 2 else 0.0,
    }


def _lips(track: FaceTrack) -> dict[str, Any]:
    gap = track.lip_gap[track.seen]
    low, high = np.percentile(gap, [5, 95]) if len(gap) else (0.0, 0.0)
    return {
        "gap_range": round(float(high - low), 4),
        "gap_r": round(pearson(gap, rig_gap(track.weights[track.seen], ARKIT)), 3),
    }


def _sound(samples: Array) -> dict[str, Any]:
    level = relative_level_db(samples)
    speech = level > -SPEECH_DB
    loud = np.repeat(speech, ROW_HOP)[: len(samples)]
    power = float(np.mean(np.square(samples[: len(loud)][loud], dtype=np.float64))) if loud.any() else 0.0
    size = np.abs(samples)
    return {
        "speech_share": round(float(speech.mean()), 4),
        "level_db": round(float(10 * np.log10(max(power, 1e-12))), 1),
        "floor_db": round(float(np.percentile(np.maximum(level, -120), 5)), 1),
        "full_scale_share": round(float((size >= FULL_SCALE).mean()), 6) if len(size) else 0.0,
        "samples_clipped": int((size > 1).sum()),
    }


def _broken(tracker: Mapping[str, Any], frames: int) -> float:
    bad = sum(int(tracker.get(name, 0)) for name in ("packets_broken", "frames_not_rising", "frames_without_time"))
    return round(bad / max(frames + bad, 1), 4)
