"""The features of many voices at once: what audio.features.LogMelRows does for one, here with a place for each voice.

Every voice keeps its samples in a row of one array that begins _BEFORE samples before the window of its next row, so
that idle motion finds the 40 ms it looks at there too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from voxface.audio.features import MEL_BANDS, FeatureSpec
from voxface.audio.level import LevelSpec
from voxface.audio.mel import FLOOR_DB, LogMel
from voxface.audio.voice import RMS_FLOOR_DB, VoiceActivity
from voxface.stream import Array
from voxface.timebase import ROW_HOP, ROW_WINDOW

MOST_ROWS = 16
"""Rows of a voice in one step."""

_BEFORE = 240  # samples: a tick of prosody begins so long before the window of its row
_PART = 80  # samples, as in audio.voice
_HOLDS = _BEFORE + ROW_WINDOW + MOST_ROWS * ROW_HOP
_TINY = 1e-30


class Ears:
    """Sound in, rows of features out, for voices at numbered places.

    Args:
        specs: features to make of the same sound, all of kind "logmel".
        places: how many voices there may be.
    """

    def __init__(self, specs: Sequence[FeatureSpec], places: int) -> None:
        self.specs = tuple(specs)
        self._sound = np.zeros((places, _HOLDS), np.float32)
        self._filled = np.zeros(places, np.int64)
        self._floor_db, self._held = np.zeros(places), np.zeros(places, np.float32)
        self._since = np.zeros(places, np.int64)  # rows since somebody surely spoke
        self._peak_db, self._spoken = np.zeros((len(specs), places)), np.zeros(places, bool)

    @property
    def bytes_per_voice(self) -> int:
        """Memory of one voice."""
        parts = (self._sound, self._filled, self._floor_db, self._held, self._since, self._peak_db.T, self._spoken)
        return sum(part[0].nbytes for part in parts)

    def start(self, place: int) -> None:
        """Before the first sample it was silent, as LogMelRows.start."""
        self._sound[place] = 0
        self._filled[place] = _BEFORE + ROW_WINDOW // 2
        self._floor_db[place], self._held[place] = np.inf, 0
        self._since[place] = VoiceActivity.HOLD_ROWS + 1
        self._spoken[place] = False
        self._peak_db[:, place] = [(spec.level or LevelSpec()).target_db for spec in self.specs]

    def room(self, place: int) -> int:
        """Samples that `fill` takes."""
        return int(_HOLDS - self._filled[place])

    def fill(self, place: int, samples: Array) -> int:
        """Add (n,) samples, n <= room; returns how many rows are ready."""
        at = int(self._filled[place])
        self._sound[place, at : at + len(samples)] = samples
        self._filled[place] = at = at + len(samples)
        return max(0, (at - _BEFORE - ROW_WINDOW) // ROW_HOP + 1)

    def take(self, places: Array, count: int) -> tuple[Array, list[Array]]:
        """The next `count` rows of each of these voices.

        Returns: (voices, _BEFORE + 400 + 160 (count - 1)) samples, the window of row i at _BEFORE + 160 i; for each
            spec (voices, count, width) float32 rows.
        """
        top, used_up = int(self._filled[places].max()), count * ROW_HOP
        kept = self._sound[places, :top]
        heard = kept[:, : _BEFORE + ROW_WINDOW - ROW_HOP + used_up]
        self._sound[places, : top - used_up] = kept[:, used_up:]
        self._filled[places] -= used_up
        used = np.ascontiguousarray(heard[:, _BEFORE:])
        windows = sliding_window_view(used, ROW_WINDOW, axis=1)[:, ::ROW_HOP].reshape(-1)
        power = LogMel(hop=ROW_WINDOW).power(windows, len(places) * count).reshape(len(places), count, MEL_BANDS)
        np.maximum(power, _TINY, out=power)
        np.log10(power, out=power)
        power *= 10
        loud = _level_db(used)
        activity = self._activity(places, loud)
        gains = self._gains(places, loud, activity)
        crossings = _crossings(used, count) if any(spec.rows > MEL_BANDS for spec in self.specs) else loud
        return heard, [
            _rows(spec, power, loud, gain, crossings, activity) for spec, gain in zip(self.specs, gains, strict=True)
        ]

    def _activity(self, places: Array, loud: Array) -> Array:
        """(voices, rows) level -> (voices, rows) float32 voice activity: VoiceActivity row by row."""
        floor, held, since = self._floor_db[places], self._held[places], self._since[places]
        activity = np.empty(loud.shape, np.float32)
        for row, level in enumerate(loud.T):
            floor += VoiceActivity.RISE_DB
            np.minimum(floor, level, out=floor, where=level > RMS_FLOOR_DB)
            raw = np.minimum(np.maximum((level - floor - 6) / 12, 0), 1).astype(np.float32)
            sure = raw >= 0.5
            held, since = np.where(sure, raw, held), np.where(sure, 0, since + 1)
            activity[:, row] = np.where(since <= VoiceActivity.HOLD_ROWS, held, raw)
        self._floor_db[places], self._held[places], self._since[places] = floor, held, since
        return activity

    def _gains(self, places: Array, loud: Array, activity: Array) -> list[Array]:
        """(voices, rows) float32 gain in dB for each spec: LevelSpec row by row."""
        voiced, before = activity >= 0.5, self._spoken[places]
        gains = []
        for number, spec in enumerate(self.specs):
            gain, level = np.zeros(loud.shape, np.float32), spec.level
            if level:
                peak, spoken = self._peak_db[number, places], before
                for row in range(loud.shape[1]):
                    peak = np.where(spoken | ~voiced[:, row], peak, -np.inf)  # the first voiced row sets it
                    spoken = spoken | voiced[:, row]
                    peak = np.maximum(peak - level.fall_db_s / 100 * (spoken & voiced[:, row]), loud[:, row])
                    peak = np.where(spoken, np.maximum(peak, level.floor_db), peak)
                    away = level.target_db - peak
                    gain[:, row] = away - np.clip(away, -level.free_db, level.free_db)
                self._peak_db[number, places] = peak
            gains.append(gain)
        self._spoken[places] = before | voiced.any(axis=1)
        return gains


def _rows(spec: FeatureSpec, power_db: Array, loud: Array, gain: Array, crossings: Array, activity: Array) -> Array:
    """(voices, rows, width) float32."""
    out = np.empty((*loud.shape, spec.rows), np.float32)
    mel = np.add(power_db, gain[..., None], out=out[..., :MEL_BANDS])
    np.clip(mel, max(spec.clip_db[0], FLOOR_DB), spec.clip_db[1], out=mel)
    if spec.rows > MEL_BANDS:
        out[..., 80] = np.maximum(loud + gain, RMS_FLOOR_DB)
        out[..., 81], out[..., 82] = crossings, activity
    return out


def _level_db(used: Array) -> Array:
    """(voices, samples) -> (voices, rows) float32, as audio.voice.window_level_db."""
    parts = used.reshape(len(used), -1, _PART)
    mean_square = _over_window(np.einsum("ijk,ijk->ij", parts, parts)) / np.float32(ROW_WINDOW)
    result: Array = np.float32(10) * np.log10(np.maximum(mean_square, np.float32(10 ** (RMS_FLOOR_DB / 10))))
    return result


def _crossings(used: Array, rows: int) -> Array:
    """(voices, samples) -> (voices, rows) float32, as audio.voice.window_crossings."""
    negative = np.signbit(used)
    changes = np.zeros(used.shape, np.int8)
    np.not_equal(negative[:, 1:], negative[:, :-1], out=changes[:, 1:].view(bool))
    sums = changes.reshape(len(used), -1, _PART).sum(axis=2, dtype=np.int32)
    first = changes[:, : rows * ROW_HOP : ROW_HOP]
    result: Array = ((_over_window(sums) - first) / np.float32(ROW_WINDOW)).astype(np.float32)
    return result


def _over_window(parts: Array) -> Array:
    """(voices, 2 rows + 3) sums of parts -> (voices, rows) sums of windows."""
    end = parts.shape[1] - 3
    whole: Array = (
        parts[:, 0:end:2]
        + parts[:, 1 : end + 1 : 2]
        + parts[:, 2 : end + 2 : 2]
        + parts[:, 3 : end + 3 : 2]
        + parts[:, 4 : end + 4 : 2]
    )
    return whole
