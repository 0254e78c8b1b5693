"""The features a model takes: log-mel with loudness and voice (SPEC A2), or those of System B (SPEC B).

An extractor that streams has explicit state, and a recording runs the same steps as a stream; one that cannot stream
takes a whole recording and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from voxface.audio.level import LevelSpec, LevelState
from voxface.audio.mel import LogMel, decibels
from voxface.audio.mfcc import MfccRows, MfccRowsFromLag0, MfccRowsWithoutC0
from voxface.audio.mfcc_running import RunningMfccRows
from voxface.audio.voice import RMS_FLOOR_DB, VoiceActivity, VoiceState, window_crossings, window_level_db
from voxface.errors import BundleSchemaError
from voxface.stream import Array, Stage, Whole, run_whole
from voxface.timebase import HALF_WINDOW_MS, ROW_RATE_HZ, SAMPLE_RATE_HZ

MEL_BANDS = 80
ROW_WIDTHS = (80, 83)
_BLOCK_ROWS = 600  # rows worked on at a time


class FeatureState(NamedTuple):
    """Samples that later rows still need, the level control's state, the floor and hold of voice activity."""

    heard: Array
    level: LevelState
    voice: VoiceState


class Extractor(Stage, Protocol):
    """Samples -> rows. What cannot stream refuses in `start`.

    streamable: the whole recording and any packets of it give the same rows
    sample_rate_hz: of the samples it takes · rate_hz: rows a second · widths: numbers per row that it can give
    """

    streamable: ClassVar[bool]
    sample_rate_hz: ClassVar[int]
    rate_hz: ClassVar[int]
    widths: ClassVar[tuple[int, ...]]

    def __init__(self, spec: FeatureSpec) -> None: ...

    def whole(self, samples: Whole, *, normalise: bool = True) -> Array:
        """(n,) float32 samples -> (rows, width) float32; `normalise`: to a peak of 1, where a feature does that."""


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """What the rows of a model are; stands in its bundle.

    kind:    name of the extractor in FEATURES
    rows:    numbers per row: log-mel 80 (mel dB) or 83 (mel dB, RMS in dB, zero-crossing rate, voice activity);
             mfcc 78, 79, 69 or 256
    clip_db: log-mel: energies are clipped to this range, in training and at run time alike
    level:   log-mel: the level control before the mels, or None
    smooth:  mfcc of whole clips: each row becomes the mean of itself and its two neighbours
    """

    kind: str = "logmel"
    rows: int = 80
    clip_db: tuple[float, float] = (-80.0, 10.0)
    level: LevelSpec | None = None
    smooth: bool = False

    def __post_init__(self) -> None:
        if self.kind not in FEATURES:
            raise BundleSchemaError(f"unknown feature kind {self.kind!r}; this version knows: {', '.join(FEATURES)}.")
        widths = FEATURES[self.kind].widths
        if self.rows not in widths:
            has = " or ".join(map(str, widths))
            raise BundleSchemaError(f"a row of {self.kind!r} has {has} numbers; the feature asks for {self.rows}.")
        if self.level is not None and self.kind != "logmel":
            raise BundleSchemaError(f"the level control is for 'logmel'; {self.kind!r} scales sound in its own way.")
        if self.smooth and self.streamable:
            raise BundleSchemaError(f"only features of whole clips are smoothed; {self.kind!r} is a stream.")
        if not self.clip_db[0] < self.clip_db[1]:
            raise BundleSchemaError(f"clip_db must rise; got {self.clip_db}.")

    @property
    def streamable(self) -> bool:
        """Whether the extractor is a real stage."""
        return FEATURES[self.kind].streamable

    @property
    def sample_rate_hz(self) -> int:
        """Of the samples that the extractor takes."""
        return FEATURES[self.kind].sample_rate_hz

    @property
    def rate_hz(self) -> int:
        """Rows a second."""
        return FEATURES[self.kind].rate_hz

    def extractor(self) -> Extractor:
        """The stage (n,) samples at sample_rate_hz -> (rows, width) float32."""
        return FEATURES[self.kind](self)

    def whole(self, samples: Whole, *, normalise: bool = True) -> Array:
        """The rows of a whole recording: (n,) float32 samples at sample_rate_hz -> (rows, width) float32.

        normalise: as if the loudest sample were 1; only of effect where a feature does that ("mfcc")
        Raises: AudioTooShortError: too short for this feature.
        """
        return self.extractor().whole(samples, normalise=normalise)

    def to_json(self) -> dict[str, Any]:
        """As it stands in `bundle.json`; `smooth` only where it is on."""
        value = asdict(self) | {"clip_db": list(self.clip_db)}
        return value if self.smooth else {key: value[key] for key in value if key != "smooth"}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> FeatureSpec:
        """Read what to_json wrote. Raises: BundleSchemaError: a field is missing or of the wrong kind."""
        try:
            level = None if value["level"] is None else LevelSpec(**{k: float(v) for k, v in value["level"].items()})
            low, high = value["clip_db"]
            smooth = bool(value.get("smooth", False))
            return cls(str(value["kind"]), int(value["rows"]), (float(low), float(high)), level, smooth)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BundleSchemaError(f"the feature of the bundle cannot be read: {error!r}.") from error


@dataclass(frozen=True, slots=True)
class LogMelRows:
    """Rows of log-mel energies, and of loudness, crossings and voice where the spec asks for them.

    n samples give 1 + n // 160 rows; row i is centred on sample 160 i and needs the 200 samples after it.
    """

    streamable: ClassVar[bool] = True
    sample_rate_hz: ClassVar[int] = SAMPLE_RATE_HZ
    rate_hz: ClassVar[int] = ROW_RATE_HZ
    widths: ClassVar[tuple[int, ...]] = ROW_WIDTHS

    spec: FeatureSpec

    def start(self) -> FeatureState:
        """State before the first sample."""
        level = self.spec.level or LevelSpec()
        return FeatureState(LogMel().start(), level.start(), VoiceActivity().start())

    def step(self, state: FeatureState, samples: Array) -> tuple[FeatureState, Array]:
        """Take (n,) float32 samples at 16 kHz, any n; give (new state, (rows, width) float32)."""
        mel = LogMel()
        heard = np.concatenate([state.heard, samples])
        rows = mel.ready(len(heard))
        out = np.empty((rows, self.spec.rows), np.float32)
        for at in range(0, rows, _BLOCK_ROWS):
            count = min(_BLOCK_ROWS, rows - at)
            state = self._rows(
                state, heard[at * mel.hop : (at + count - 1) * mel.hop + mel.window], out[at : at + count]
            )
        return state._replace(heard=heard[rows * mel.hop :].copy()), out

    def finish(self, state: FeatureState) -> Array:
        """The last rows: silence stands in for the 200 samples that never came."""
        return self.step(state, np.zeros(LogMel().window // 2, np.float32))[1]

    def whole(self, samples: Whole, *, normalise: bool = True) -> Array:
        """The rows of a recording; loudness is the level control's, so `normalise` changes nothing."""
        return run_whole(self, samples)

    def _rows(self, state: FeatureState, heard: Array, out: Array) -> FeatureState:
        """Fill `out` with the rows of `heard`, which ends with the last row's window."""
        count, spec = len(out), self.spec
        low, high = spec.clip_db
        mel = out[:, :MEL_BANDS]
        power = LogMel().power(heard, count)
        if spec.level is None and spec.rows == MEL_BANDS:
            np.minimum(np.maximum(decibels(power), low, out=mel), high, out=mel)
            return state
        loud = window_level_db(heard, count)
        voice, activity = VoiceActivity().step(state.voice, loud)
        level, gain = spec.level.step(state.level, loud, activity) if spec.level else (state.level, None)
        np.minimum(np.maximum(decibels(power, gain), low, out=mel), high, out=mel)
        if spec.rows > MEL_BANDS:
            out[:, 80] = loud if gain is None else np.maximum(loud + gain, RMS_FLOOR_DB)
            out[:, 81], out[:, 82] = window_crossings(heard, count), activity
        return FeatureState(state.heard, level, voice)


FEATURES: dict[str, type[Extractor]] = {
    "logmel": LogMelRows,
    "mfcc": MfccRows,
    "mfcc-drop-c0": MfccRowsWithoutC0,
    "mfcc-lag0": MfccRowsFromLag0,
    "mfcc-running": RunningMfccRows,
}
"""Feature extractors by name."""

FEATURE_LOOK_AHEAD_MS = HALF_WINDOW_MS
"""Sound after a row's centre that the extractor waits for."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioRows:
    """The rows of a recording, each kind by its name, as the audio JSON holds them (SPEC C2).

    mel_db: (rows, 80) float32 dB · rms: (rows,) 0...1 · zcr: (rows,) · vad: (rows,) 0...1
    """

    mel_db: Array
    rms: Array
    zcr: Array
    vad: Array


def audio_rows(samples: Array) -> AudioRows:
    """All features of (n,) float32 samples at 16 kHz, without level control and without a mel ceiling."""
    rows = run_whole(FeatureSpec(rows=83, clip_db=(-80.0, float("inf"))).extractor(), samples)
    rms = np.where(rows[:, 80] <= RMS_FLOOR_DB, 0, 10 ** (rows[:, 80] / 20)).astype(np.float32)
    return AudioRows(rows[:, :80], rms, rows[:, 81], rows[:, 82])
