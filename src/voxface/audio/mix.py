"""From frames of many channels, as a decoder gives them, to one channel of finite samples. Both steps stream."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from voxface.audio.resample import check_rate
from voxface.errors import AudioFormatError, AudioNonFiniteError, InputWarning, UsageError
from voxface.stream import Array, Chain, run

LARGEST = 1e10
"""Samples beyond this are mended like infinite ones: their energy would leave float32."""
SMALLEST = 1e-15
"""Samples below this (-300 dB) become 0: denormal numbers slow the arithmetic after them down."""
MENDED_SHARE = 0.01
"""With a larger share of samples that are no numbers, the recording is refused."""


@dataclass(frozen=True, slots=True)
class Mend:
    """Puts 0 in the place of NaN, infinite and impossibly large samples. State: (values seen, values mended).

    name: of the recording, for the warning W-NONFINITE at the end of it
    """

    name: str = "the recording"

    def start(self) -> tuple[int, int]:
        return 0, 0

    def step(self, state: tuple[int, int], frames: Array) -> tuple[tuple[int, int], Array]:
        """(n, channels) float32 -> the same, finite."""
        size = np.abs(frames)
        bad = ~(size <= LARGEST)  # true for NaN as well
        mended = int(np.count_nonzero(bad))
        weak = size < SMALLEST
        if mended or weak.any():
            frames = np.where(bad | weak, np.float32(0), frames)
        return (state[0] + frames.size, state[1] + mended), frames

    def finish(self, state: tuple[int, int]) -> Array:
        """No more frames. Warns of what was mended.

        Raises: AudioNonFiniteError: more than 1 % of the values were no numbers.
        """
        seen, mended = state
        if mended > MENDED_SHARE * seen:
            says = (
                f"{self.name}: {mended:,} of {seen:,} samples ({mended / seen:.0%}) are NaN, infinite or beyond 1e10."
            )
            raise AudioNonFiniteError(says, hint="Export the sound again, as integers if you can.", source=self.name)
        if mended:
            text = f"{self.name}: {mended:,} of {seen:,} samples are NaN, infinite or beyond 1e10; 0 is in their place."
            warnings.warn(InputWarning("W-NONFINITE", text), stacklevel=2)
        return np.zeros((0, 1), np.float32)


class MixState(NamedTuple):
    """What a mixer remembers.

    use:  "mix" or "first" once it is decided, else ""
    held: (n, 3) from the first sound on until it is decided: mix, channel 1, power of the mix if nothing cancelled
    """

    use: str
    held: Array


@dataclass(frozen=True, slots=True)
class ChannelMixer:
    """The mean of all channels, or channel 1 where the channels cancel each other.

    It decides once per recording, on the first second after the first sample above -50 dB of full scale in any
    channel (or on what there is, in a shorter one), and holds that second back until it has decided. So the answer
    does not depend on how the recording is cut into blocks. Channels cancel when the power of their mean is below 1 %
    (-20 dB) of what it would be if they were unrelated, sum(power) / channels^2: one copy is inverted.

    rate_hz: of the frames, for the length of that second
    name:    of the recording, for the warning W-CHANNELS-CANCEL
    """

    rate_hz: int
    name: str = "the recording"

    audible: float = 10 ** (-50 / 20)
    cancelled: float = 0.01

    def start(self) -> MixState:
        return MixState("", np.zeros((0, 3), np.float32))

    def step(self, state: MixState, frames: Array) -> tuple[MixState, Array]:
        """(n, channels) finite float32 -> (m,) float32; m is n but for the second that is held back."""
        if frames.shape[1] == 1:
            return state, np.ascontiguousarray(frames[:, 0])
        if state.use:
            return state, _used(state.use, frames)
        early = frames[:0]
        if not len(state.held):
            loud = np.flatnonzero((np.abs(frames) > self.audible).any(axis=1))
            at = int(loud[0]) if len(loud) else len(frames)
            early, frames = frames[:at], frames[at:]
        held = np.concatenate([state.held, _candidates(frames)])
        if len(held) < self.rate_hz:
            return MixState("", held), _used("mix", early)
        use = self._decide(held[: self.rate_hz])
        return MixState(use, held[:0]), np.concatenate([_used("mix", early), _chosen(use, held)])

    def finish(self, state: MixState) -> Array:
        """What was held back, of a recording with less than a second of sound."""
        return _chosen(self._decide(state.held), state.held) if len(state.held) else np.zeros(0, np.float32)

    def _decide(self, held: Array) -> str:
        mixed = float(np.sum(held[:, 0].astype(np.float64) ** 2))
        unrelated = float(np.sum(held[:, 2], dtype=np.float64))
        if mixed >= self.cancelled * unrelated:
            return "mix"
        text = f"{self.name}: its channels cancel each other when mixed (one is an inverted copy); channel 1 is used."
        warnings.warn(InputWarning("W-CHANNELS-CANCEL", text), stacklevel=2)
        return "first"


def _used(use: str, frames: Array) -> Array:
    """The mix, or channel 1, of (n, channels) frames."""
    if use == "first":
        return np.ascontiguousarray(frames[:, 0])
    mixed: Array = frames.mean(axis=1, dtype=np.float32)
    return mixed


def _candidates(frames: Array) -> Array:
    power = np.square(frames, dtype=np.float32).sum(axis=1) / np.float32(frames.shape[1] ** 2)
    return np.stack([_used("mix", frames), frames[:, 0], power], axis=1)


def _chosen(use: str, held: Array) -> Array:
    return np.ascontiguousarray(held[:, 1 if use == "first" else 0])


def channel_index(channel: str, channels: int, name: str) -> int | None:
    """The column that "1", "2", ... names; None for "mix".

    Raises: UsageError: neither, or a channel that the recording lacks.
    """
    if channel == "mix":
        return None
    if not (channel.isascii() and channel.isdigit() and int(channel)):
        raise UsageError(f"channel must be mix, 1, 2, ...; got {channel!r}.")
    if int(channel) > channels:
        raise UsageError(f"channel {channel} was asked for, but {name} has {channels}.", source=name)
    return int(channel) - 1


def mono_blocks(samples: Array, rate_hz: int, channel: str = "mix") -> Iterator[Array]:
    """(n,) float32 blocks from an array of floats or integers, one or many channels, mended and mixed as files are.

    Raises: AudioFormatError: no such array or rate. AudioNonFiniteError, UsageError: as Mend and channel_index.
    """
    check_rate(rate_hz)
    if samples.ndim not in (1, 2) or samples.dtype.kind not in "fi":
        what = f"{samples.dtype} {samples.shape}"
        raise AudioFormatError(f"samples must be (n,) or (n, channels) floats or integers; got {what}.")
    scale = float(np.iinfo(samples.dtype).max) + 1 if samples.dtype.kind == "i" else 1.0
    values = (samples[:, None] if samples.ndim == 1 else samples).astype(np.float32) / np.float32(scale)
    column = channel_index(channel, values.shape[1], "the array")
    chosen = values if column is None else values[:, column : column + 1]
    return run(Chain((Mend("the array"), ChannelMixer(rate_hz, "the array"))), iter([chosen]))
