"""Microphone and speaker, through sounddevice (PortAudio); imported only here, and only when one is asked for."""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from voxface.errors import DeviceError, InputWarning, MissingDependencyError
from voxface.live.clock import AudioClock
from voxface.live.feed import Feed, Source
from voxface.stream import Array

BLOCK_S = 0.01
_GONE_S = 1.0  # a microphone that gives nothing for so long is gone
_SILENT_S = 0.1  # after so long silence stands in for it
_AGAIN_S = 1.0  # between tries to open it again
_RING_S = 2.0
_STRAY_S = 0.03  # a speaker that is off its place by more jumps back to it

_PORTAUDIO = "To install it: sudo apt install libportaudio2 (Debian, Ubuntu), or brew install portaudio (macOS)."
_LIST = "voxface live --list-devices shows what there is; without PortAudio nothing is found."


def library() -> Any:
    """sounddevice. Raises: MissingDependencyError: it, or the PortAudio that it needs, is not installed."""
    try:
        import sounddevice
    except ModuleNotFoundError as error:
        text = "microphone and speaker need sounddevice, which is not installed."
        raise MissingDependencyError(text, hint="Install it: pip install 'voxface[live]'.") from error
    except OSError as error:
        raise MissingDependencyError(f"sounddevice cannot be used: {error}.", hint=_PORTAUDIO) from error
    return sounddevice


class Device(NamedTuple):
    """A sound device.

    api:     of the system, such as ALSA
    inputs, outputs: channels
    default: "input", "output", both or ""
    """

    number: int
    name: str
    api: str
    inputs: int
    outputs: int
    rate_hz: int
    default: str


def devices() -> list[Device]:
    """Every sound device of this machine. Raises: MissingDependencyError: as `library`. DeviceError: none is told."""
    sound = library()
    with _told("sound devices"):
        apis = [str(api["name"]) for api in sound.query_hostapis()]
        defaults = list(sound.default.device)
        return [
            Device(
                number, str(one["name"]), apis[one["hostapi"]], int(one["max_input_channels"]),
                int(one["max_output_channels"]), round(one["default_samplerate"]),
                " ".join(way for way, chosen in zip(("input", "output"), defaults, strict=True) if chosen == number),
            )
            for number, one in enumerate(sound.query_devices())
        ]  # fmt: skip


def chosen(device: str | None) -> int | str | None:
    """What sounddevice takes: a number, a part of a name, or None for the default."""
    return int(device) if device is not None and device.isdecimal() else device


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """PortAudio's errors, and sounddevice's about names, as a DeviceError."""
    sound = library()
    try:
        yield
    except (sound.PortAudioError, ValueError) as error:
        text = " ".join(str(error.args[0] if error.args else error).split())
        reason = "this machine shows none" if text.endswith("device -1") else text
        hint = f"Is it plugged in, allowed, and free? {_LIST} {_PORTAUDIO}"
        raise DeviceError(f"{what} cannot be used: {reason}.", hint=hint, source=what) from error


class Ring:
    """The last seconds of a sound, by the number of the sample. One thread puts, another takes; neither waits or
    allocates.

    count: samples put so far
    """

    def __init__(self, size: int) -> None:
        self._samples = np.zeros(size, np.float32)
        self.count = 0

    def put(self, samples: Array) -> None:
        """(n,) samples, n at most the size."""
        size, at, left = len(self._samples), self.count % len(self._samples), len(samples)
        first = min(left, size - at)
        self._samples[at : at + first] = samples[:first]
        self._samples[: left - first] = samples[first:]
        self.count += left

    def take(self, at: int, into: Array) -> int:
        """Copy samples from number `at` on; where they are not there yet, or no more, it is silent.

        Returns: how many were there.
        """
        size, count = len(self._samples), self.count
        start, end = max(at, count - size, 0), min(at + len(into), count)
        into[:] = 0
        if start >= end:
            return 0
        place, wanted = start % size, end - start
        first = min(wanted, size - place)
        into[start - at : start - at + first] = self._samples[place : place + first]
        into[start - at + first : end - at] = self._samples[: wanted - first]
        return wanted


class Microphone(Source):
    """A microphone at its own rate. If it goes away the face rests, and it is taken again when it is back.

    Args:
        device: a number, a part of a name, or None for the default.
    Raises: DeviceError: there is none of that name, or it cannot be opened. MissingDependencyError: as `library`.
    Warns: W-DEVICE: it is gone; it is back.
    """

    def __init__(self, device: str | None = None) -> None:
        self._sound, self._device = library(), device
        self._what = "the microphone" if device is None else f"the microphone {device!r}"
        with _told(self._what):
            found = self._sound.query_devices(chosen(device), "input")
        super().__init__(str(found["name"]), round(found["default_samplerate"]))
        self._ring = Ring(round(_RING_S * self.rate_hz))
        self._taken, self._moment_s, self._stream = 0, time.monotonic(), self._open()
        self.latency_s = float(self._stream.latency)

    def starving(self, now_s: float) -> bool:
        quiet = self._ring.count == self._taken and now_s - self._moment_s > _SILENT_S
        return quiet and self._feed.clock.started

    def _open(self) -> Any:
        with _told(self._what):
            stream = self._sound.InputStream(
                samplerate=self.rate_hz, blocksize=round(BLOCK_S * self.rate_hz), device=chosen(self._device),
                channels=1, dtype="float32", latency="low", callback=self._hear,
            )  # fmt: skip
            try:
                stream.start()
            except BaseException:
                stream.close()
                raise
            return stream

    def _hear(self, samples: Array, frames: int, at: Any, status: Any) -> None:
        """In PortAudio's thread."""
        if status and status.input_overflow:
            self.gaps += 1
        self._ring.put(samples[:, 0])
        self._moment_s = time.monotonic()

    def _bring(self, feed: Feed) -> None:
        self._taken = self._ring.count  # what was heard while everything else was made ready is over
        while not self._stopping.wait(BLOCK_S / 2) and not feed.full:
            self._drain(feed)
            if time.monotonic() - self._moment_s > _GONE_S and not self._take_again():
                return

    def close(self) -> None:
        """Stop, and free the device."""
        super().close()
        self._leave()

    def _drain(self, feed: Feed) -> None:
        moment_s, count = self._moment_s, self._ring.count
        new = count - self._taken
        if not new:
            return
        block = np.empty(min(new, round(_RING_S * self.rate_hz)), np.float32)
        self._ring.take(count - len(block), block)
        self.gaps += new > len(block)
        np.clip(block, -1, 1, out=block)  # a driver that is not ready may give anything
        self._taken = count
        feed.clock.observe(feed.push(block), moment_s)

    def _take_again(self) -> bool:
        """Try until it is back, or the session ends. PortAudio learns of new devices when it begins anew."""
        _warn(f"{self.name} gives no sound; the face rests until it is back.")
        self._leave()
        while not self._stopping.wait(_AGAIN_S):
            with contextlib.suppress(DeviceError, self._sound.PortAudioError):
                self._sound._terminate()
                self._sound._initialize()
                self._stream = self._open()
                self._moment_s = time.monotonic()
                _warn(f"{self.name} is back.")
                return True
        return False

    def _leave(self) -> None:
        with contextlib.suppress(self._sound.PortAudioError):  # it may be gone already
            self._stream.close()


def _warn(text: str) -> None:
    warnings.warn(InputWarning("W-DEVICE", text), stacklevel=3)


class Speaker:
    """Plays a sound some time after its moments on the clock, and lets the clock follow the sound card.

    Args:
        delay_s: sample n is heard at second n / rate_hz of the clock plus this.
        device: a number, a part of a name, or None for the default.
    Raises: DeviceError, MissingDependencyError: as Microphone.
    """

    def __init__(self, rate_hz: int, clock: AudioClock, delay_s: float, device: str | None = None) -> None:
        sound, what = library(), "the speaker" if device is None else f"the speaker {device!r}"
        self._rate_hz, self._clock, self.delay_s = rate_hz, clock, delay_s
        self._ring = Ring(round(10 * rate_hz))
        self._at: int | None = None
        self.missing = 0
        with _told(what):
            self._stream = sound.OutputStream(
                samplerate=rate_hz, device=chosen(device), channels=1, dtype="float32", callback=self._play
            )
            self._stream.start()

    def put(self, samples: Array) -> None:
        self._ring.put(samples)

    def close(self) -> None:
        """Stop at once."""
        with contextlib.suppress(library().PortAudioError):
            self._stream.abort()
            self._stream.close()

    def _play(self, into: Array, frames: int, at: Any, status: Any) -> None:
        """In PortAudio's thread: the samples that belong to the moment at which these will be heard."""
        ahead_s = at.outputBufferDacTime - at.currentTime
        heard_s = time.monotonic() + (ahead_s if ahead_s > 0 else float(self._stream.latency))
        second = self._clock.second(heard_s) - self.delay_s
        if second + frames / self._rate_hz < 0 or not self._clock.started:
            into[:] = 0
            return
        wanted = round(second * self._rate_hz)
        if self._at is None or abs(wanted - self._at) > _STRAY_S * self._rate_hz:
            self._at = wanted
        self.missing += frames - self._ring.take(self._at, into[:, 0])
        self._at += frames
        self._clock.observe((self._at - frames) / self._rate_hz + self.delay_s, heard_s)
