"""What every writer of clips shares: what must be known before the first frame, and blocks in their order."""

from __future__ import annotations

import json
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np

from voxface.errors import ClipError, UsageError
from voxface.face.clip import FaceClip
from voxface.stream import Array
from voxface.timebase import exact_rate

BLOCK = 1024
"""Frames that a writer turns into text at a time, so that a long clip needs little memory."""


@dataclass(frozen=True, slots=True)
class ClipHeader:
    """What a file says about a clip before its first frame.

    channels:    one name per column of the weights
    fps, start_s: frame k shows the face at start_s + k / fps seconds on the audio clock
    has_head:    the blocks carry a head pose
    has_emotion: the blocks carry emotions
    unobserved:  channels that the source cannot measure
    audio, model: anything JSON can hold about the sound and the model, or None
    """

    channels: tuple[str, ...]
    fps: float
    start_s: float = 0.0
    has_head: bool = False
    audio: Mapping[str, Any] | None = None
    model: Mapping[str, Any] | None = None
    has_emotion: bool = False
    unobserved: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        exact_rate(self.fps)
        if not np.isfinite(self.start_s):
            raise UsageError(f"a clip must start at a finite time; got {self.start_s}.")
        for name, value in (("audio", self.audio), ("model", self.model)):
            try:
                json.dumps(value, allow_nan=False)
            except (TypeError, ValueError, RecursionError) as error:
                raise UsageError(f"what is said about the {name} must fit in JSON: {error}.") from error

    @classmethod
    def of(
        cls, clip: FaceClip, *, audio: Mapping[str, Any] | None = None, model: Mapping[str, Any] | None = None
    ) -> ClipHeader:
        """The header that fits a clip, and every later block of the same stream."""
        unobserved = tuple(name for name, known in zip(clip.channels, clip.observed, strict=True) if not known)
        return cls(
            clip.channels, clip.fps, clip.start_s, clip.head is not None, audio, model,
            clip.emotion is not None, unobserved,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """The header as the JSON formats write it, `audio` and `model` only where there is something to say."""
        fps = float(self.fps)
        return {
            "fps": int(fps) if fps.is_integer() else fps,
            "start_s": float(self.start_s),
            "names": list(self.channels),
            **({"unobserved": list(self.unobserved)} if self.unobserved else {}),
            "angle_unit": "rad",
            **({} if self.audio is None else {"audio": dict(self.audio)}),
            **({} if self.model is None else {"model": dict(self.model)}),
        }


class ClipWriter(ABC):
    """Writes one clip, block after block, in constant memory. A new format fills in `_begin`, `_frames` and `_end`.

    Weights are clipped to [0, 1] on the way out, in every format.
    """

    def __init__(self, file: IO[bytes], header: ClipHeader) -> None:
        self.file, self.header = file, header
        self.frames = 0
        self._begin()

    def add(self, block: FaceClip) -> None:
        """Write the next frames.

        Args:
            block: same channels, fps and parts (head, emotion) as the header; starts where the last block ended.
        Raises: ClipError: it does not continue the clip.
        """
        self._check(block)
        for at in range(0, len(block), BLOCK):
            self._frames(_within(block, at, at + BLOCK))
            self.frames += len(block.weights[at : at + BLOCK])

    def finish(self) -> None:
        """Write what comes after the last frame."""
        self._end()

    def close(self) -> None:  # noqa: B027 (most writers hold nothing)
        """Give back what the writer holds, also when it never finished."""

    @abstractmethod
    def _begin(self) -> None: ...

    @abstractmethod
    def _frames(self, block: FaceClip) -> None: ...

    def _end(self) -> None:  # noqa: B027 (most formats end with their last frame)
        pass

    def times_s(self, frames: int) -> Array:
        """(frames,) float64: the times of the next frames, on the audio clock."""
        return self.header.start_s + np.arange(self.frames, self.frames + frames) / float(exact_rate(self.header.fps))

    def _check(self, block: FaceClip) -> None:
        header = self.header
        if block.channels != header.channels:
            raise ClipError("a block has other channels than the clip that it continues.")
        if exact_rate(block.fps) != exact_rate(header.fps):
            raise ClipError(f"a block has {block.fps} frames per second; the clip that it continues has {header.fps}.")
        if (block.head is not None) != header.has_head or (block.emotion is not None) != header.has_emotion:
            raise ClipError("every block of a clip must have a head pose (or emotions), or none.")
        expected = float(self.times_s(1)[0])
        if len(block) and abs(block.start_s - expected) > 0.5 / header.fps:
            raise ClipError(
                f"a block starts at {block.start_s:.4f} s; the clip that it continues is at {expected:.4f} s."
            )


def _within(block: FaceClip, start: int, end: int) -> FaceClip:
    """Some frames of a block, their weights clipped to [0, 1]."""
    part = slice(start, end)
    return replace(
        block,
        weights=np.clip(block.weights[part], 0, 1),
        head=None if block.head is None else block.head[part],
        emotion=None if block.emotion is None else block.emotion[part],
        seen=block.seen[part],
    )


class Spool:
    """Bytes that must wait until the frames are written: in memory while few, then in a temporary file."""

    def __init__(self, most_in_memory: int = 1 << 20) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=most_in_memory)  # noqa: SIM115 (closed by its owner)
        self.size = 0

    def add(self, data: bytes) -> None:
        self.size += self._file.write(data)

    def blocks(self, size: int = 1 << 20) -> Iterator[bytes]:
        """Everything that was added, from the beginning."""
        self._file.seek(0)
        while data := self._file.read(size):
            yield data

    def close(self) -> None:
        self._file.close()


@dataclass(slots=True)
class Runs:
    """Frames where no face was seen, kept as [first, after the last] pairs: few, however long the clip is."""

    pairs: list[list[int]]

    def add(self, first: int, seen: Array) -> None:
        """Take the next flags; `first` is the number of the first frame among them."""
        edges = np.flatnonzero(np.diff(np.concatenate([[True], seen, [True]]).astype(np.int8))) + first
        for start, end in edges.reshape(-1, 2).tolist():
            if self.pairs and self.pairs[-1][1] == start:
                self.pairs[-1][1] = end
            else:
                self.pairs.append([start, end])
