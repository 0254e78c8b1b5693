"""Every error a user can meet: what came, what was needed, what to do next.

Scripts match on `code` and on the exit code of the command line:
0 ok · 1 our bug · 2 usage · 3 bad input · 4 missing dependency or model · 5 some inputs failed · 6 resource limit ·
130 interrupted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar


class VoxfaceError(Exception):
    """Something the user can mend. The command line prints it as one message, without a traceback.

    Args:
        message: what came and what was needed, with the name of the input where there is one.
        hint: what to do next, one sentence.
        source: the file, socket or argument that caused it, for machines (`--json`).
    """

    code: ClassVar[str] = "E-VOXFACE"
    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, hint: str = "", source: str = "") -> None:
        super().__init__(message)
        self.message, self.hint, self.source = message, hint, source

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        """Survives pickling between worker processes."""
        return _rebuild, (type(self), self.message, self.hint, self.source)


def some_of(names: Sequence[str], most: int) -> str:
    """The first names for a message, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _rebuild(kind: type[VoxfaceError], message: str, hint: str, source: str) -> VoxfaceError:
    return kind(message, hint=hint, source=source)


class UsageError(VoxfaceError):
    """The call itself is wrong: an option out of range, options that exclude each other."""

    code, exit_code = "E-USAGE", 2


class PortError(VoxfaceError):
    """A port that cannot be listened at: in use, or not allowed."""

    code, exit_code = "E-PORT", 2


class InputError(VoxfaceError):
    """A file that cannot be read at all: missing, a folder, a pipe nobody writes, no permission."""

    code = "E-INPUT"


class AudioFormatError(VoxfaceError):
    """Bytes that are not sound in a format we read."""

    code = "E-AUDIO-FORMAT"


class AudioEmptyError(VoxfaceError):
    """Sound with no samples in it."""

    code = "E-AUDIO-EMPTY"


class AudioTooShortError(VoxfaceError):
    """Sound with too few samples to make features of."""

    code = "E-AUDIO-SHORT"


class AudioTruncatedError(VoxfaceError):
    """Sound that ends before its header says, refused because the caller asked for strictness."""

    code = "E-AUDIO-TRUNCATED"


class AudioNonFiniteError(VoxfaceError):
    """So many samples are NaN or infinite that silence in their place would be a lie."""

    code = "E-AUDIO-NONFINITE"


class VideoFormatError(VoxfaceError):
    """A video that cannot be decoded, or lacks what capture needs."""

    code = "E-VIDEO-FORMAT"


class ClipError(VoxfaceError):
    """Values that do not make a face clip, or a clip file that cannot be read."""

    code = "E-CLIP"


class PacketError(VoxfaceError):
    """Bytes from the network that are no message of the protocol that is spoken here."""

    code = "E-PACKET"


class MessageOrderError(PacketError):
    """A message that is of the protocol, but not at this point of the conversation."""

    code = "E-ORDER"


class HelloError(PacketError):
    """A hello that asks for what is not served: version, rate, encoding."""

    code = "E-HELLO"


class RigMismatchError(VoxfaceError):
    """A clip lacks channels that the caller needs."""

    code = "E-RIG-MISSING"


class HeadError(VoxfaceError):
    """A head file that is damaged, lacks what is needed, or needs what we do not read."""

    code = "E-HEAD"


class BundleError(VoxfaceError):
    """A bundle that is damaged, of a newer version, or not a bundle."""

    code = "E-MODEL-FORMAT"


class BundleSchemaError(BundleError):
    """`bundle.json` and `model.onnx` disagree: other channels, widths, rates or states."""

    code = "E-MODEL-SCHEMA"


class DatasetError(VoxfaceError):
    """Captures that do not make a dataset, or a dataset that cannot be read."""

    code = "E-DATASET"


class CheckpointError(VoxfaceError):
    """A training checkpoint that is damaged or belongs to another run."""

    code = "E-CHECKPOINT"


class TrainingError(VoxfaceError):
    """Training that cannot go on: its numbers are no longer finite."""

    code = "E-TRAINING"


class OutputError(VoxfaceError):
    """A result that cannot be written where it was asked for."""

    code = "E-OUTPUT"


class ConnectError(VoxfaceError):
    """Nobody answers at a server's address, or somebody who is no voxface server."""

    code = "E-CONNECT"


class GoneError(VoxfaceError):
    """A connection to a server broke before its session was over."""

    code = "E-GONE"


class ServerError(VoxfaceError):
    """A server refused something; `code` is the one that it told."""

    code = "E-SERVER"

    def __init__(self, message: str, *, code: str = code, hint: str = "", source: str = "") -> None:
        super().__init__(message, hint=hint, source=source)
        self.code = code  # type: ignore[misc]  # elsewhere one per class

    def __reduce__(self) -> tuple[object, ...]:
        return partial(ServerError, code=self.code, hint=self.hint, source=self.source), (self.message,)


class DeviceError(VoxfaceError):
    """A microphone or speaker that is not there, or that cannot be used."""

    code = "E-DEVICE"


class MissingDependencyError(VoxfaceError):
    """An optional library, a system package or a model file is not installed."""

    code, exit_code = "E-MISSING", 4


class FaceModelError(VoxfaceError):
    """The face landmarker file is missing, damaged, or cannot be fetched."""

    code, exit_code = "E-FACE-MODEL", 4


class CrashError(VoxfaceError):
    """The process that worked on an input died, or broke on a bug."""

    code = "E-CRASH"


class HangError(VoxfaceError):
    """The process that worked on an input made no progress and was stopped."""

    code = "E-HANG"


class OutOfMemoryError(VoxfaceError):
    """An input needs more memory than the process that worked on it may have."""

    code = "E-OOM"


class MachineLostError(VoxfaceError):
    """The machine of a cluster that worked on an input died or cannot be reached any more."""

    code = "E-MACHINE-LOST"


class SomeFailedError(VoxfaceError):
    """A run over several inputs finished, and some of them failed."""

    code, exit_code = "E-SOME-FAILED", 5


class LimitError(VoxfaceError):
    """A limit was hit: duration, memory, disk."""

    code, exit_code = "E-LIMIT", 6


class InputWarning(UserWarning):
    """Input that was mended on the way in; `code` says how (W-TRUNCATED, W-NONFINITE, ...)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message

    def __str__(self) -> str:
        return f"[{self.code}] {self.message}"
