"""A module like sounddevice 0.5, by its documentation, whose devices are played by the test."""

from __future__ import annotations

import threading
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np


class PortAudioError(Exception):
    """As sounddevice's: its first argument is the text."""


class CallbackFlags:
    """What went wrong in PortAudio before a callback."""

    def __init__(self, input_overflow: bool = False) -> None:
        self.input_overflow = input_overflow

    def __bool__(self) -> bool:
        return self.input_overflow


class Stream:
    """A stream whose thread calls back once per block, as a sound card would."""

    def __init__(self, module: FakeSounddevice, way: str, options: dict[str, Any]) -> None:
        self.module, self.way, self.latency = module, way, 0.05
        self.rate, self.callback = int(options["samplerate"]), options["callback"]
        self.block = options.get("blocksize") or self.rate // 100
        module.query_devices(options["device"], way)
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        module.streams.append(self)

    def start(self) -> None:
        self.thread.start()

    def abort(self) -> None:
        self.stopped.set()

    def close(self) -> None:
        self.stopped.set()
        self.thread.join(1)
        if self.module.unplugged.is_set():
            raise PortAudioError("Internal PortAudio error [PaErrorCode -9986]")

    def _run(self) -> None:
        began_s, at = time.monotonic(), 0
        while not self.stopped.wait(max(0.0, began_s + (at + self.block) / self.rate - time.monotonic())):
            if self.module.unplugged.is_set():
                return
            self._call(at, began_s + at / self.rate)
            at += self.block

    def _call(self, at: int, card_s: float) -> None:
        """card_s: by the card's crystal, which is never late, as this thread may be."""
        times = types.SimpleNamespace(
            inputBufferAdcTime=card_s, currentTime=time.monotonic(), outputBufferDacTime=card_s + self.latency
        )
        if self.way == "input":
            flags = CallbackFlags(at == 10 * self.block)
            self.callback(self.module.sound(at, self.block)[:, None], self.block, times, flags)
            return
        into = np.empty((self.block, 1), np.float32)
        self.callback(into, self.block, times, CallbackFlags())
        self.module.played.append((times.outputBufferDacTime, into[:, 0].copy()))


class FakeSounddevice(types.ModuleType):
    """Stands for the module. sound: (first sample, count) -> (count,) float32 that the microphone hears."""

    PortAudioError = PortAudioError

    def __init__(self, rate_hz: int, sound: Callable[[int, int], np.ndarray]) -> None:
        super().__init__("sounddevice")
        self.sound, self.streams, self.played = sound, list[Stream](), list[tuple[float, np.ndarray]]()
        self.unplugged, self.begun_anew = threading.Event(), 0
        self.default = types.SimpleNamespace(device=[0, 1])
        common = {"hostapi": 0, "default_samplerate": float(rate_hz)}
        self.found = [
            {"name": "Headset\n", "max_input_channels": 1, "max_output_channels": 0} | common,
            {"name": "Speakers", "max_input_channels": 0, "max_output_channels": 2} | common,
        ]

    def query_devices(self, device: int | str | None = None, kind: str | None = None) -> Any:
        if device is None and kind is None:
            return self.found
        ways = [bool(one[f"max_{kind}_channels"]) for one in self.found]
        if isinstance(device, str):
            matching = [one for one, way in zip(self.found, ways, strict=True) if way and device in str(one["name"])]
            if not matching:
                raise ValueError(f"No {kind} device matching {device!r}")
            return matching[0]
        number = ways.index(True) if device is None and any(ways) else -1 if device is None else device
        if not 0 <= number < len(self.found):
            raise PortAudioError(f"Error querying device {number}")
        if self.unplugged.is_set():
            raise PortAudioError("Device unavailable [PaErrorCode -9985]")
        return self.found[number]

    def query_hostapis(self) -> Any:
        return ({"name": "ALSA", "devices": [0, 1]},)

    def InputStream(self, **options: Any) -> Stream:  # noqa: N802 (its name)
        return Stream(self, "input", options)

    def OutputStream(self, **options: Any) -> Stream:  # noqa: N802
        return Stream(self, "output", options)

    def _terminate(self) -> None:
        self.begun_anew += 1

    def _initialize(self) -> None:
        """Devices are looked up anew."""
