"""Features to 68 numbers a frame, as the family's interface gives them: 61 channels of Live Link and 7 emotions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from voxface.bundle import Bundle, as_bundle
from voxface.errors import BundleSchemaError, UsageError
from voxface.face.rig import LIVELINK_61, LIVELINK_CSV
from voxface.neurosync.generations import ORIGINAL
from voxface.neurosync.order import CSV_68, Order, in_order
from voxface.runtime.expressions import Expressions
from voxface.runtime.threads import offline_threads
from voxface.runtime.window_net import WindowNet, Windows
from voxface.stream import Array

DEFAULT_MODEL = "neurosync-small"
USED = 51
"""Columns that drive a face; 52 to 61, tongue, head and eyes, are 0 unless asked for."""


class TorchModule(Protocol):
    """What is needed of a torch module, which only models/ and training/ know by its name."""

    def state_dict(self) -> Any: ...
    def __call__(self, rows: Any) -> Any:
        """(windows, frames, width) -> (windows, frames, 68 or 61)."""


Model = str | Path | Bundle | Windows | TorchModule


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is made of a model's values.

    order:       "csv", as the original answers; "udp": jaw and mouth left before right, as Unreal expects them
    compat:      the original's tail of a clip, and emotions 0...100
    expressions: show the emotions in the face; None: with our own bundles, not with models of others
    all_columns: what the model says of tongue, head and eyes too (columns 52 to 61), and of what the original sets to 0
                 (blinks, gaze); else they are 0
    """

    order: Order = "csv"
    compat: bool = False
    expressions: bool | None = None
    all_columns: bool = False


def process_audio_features(
    features: Array,
    model: Model | None = None,
    device: object = None,
    *,
    order: Order = "csv",
    compat: bool = False,
    expressions: bool | None = None,
    all_columns: bool = False,
) -> Array:
    """The face of a recording, 60 frames a second.

    Args:
        features: (frames, width) float32 of the whole recording, as `extract_audio_features` makes them.
        model: a windowed bundle by shipped name, path or opened (None: `neurosync-small`), an opened one (`Windows`),
            or a torch module of the family, which is run as the original runs it.
        device: a torch module goes to it, such as "cuda"; None: it stays where it is. Bundles run on the CPU.
        order, compat, expressions, all_columns: see `Wanted`.
    Returns: (frames, 68) float32: 52 weights 0...1, 9 angles in radians, 7 emotions 0...1 (compat: 0...100). With
        models of others, values are as the model gives them, and may leave these ranges a little.
    Raises: UsageError: features of another width, or not finite; arguments that contradict each other; a torch module
        that fails. VoxfaceError: the bundle cannot be used.
    """
    found = np.asarray(features)
    found = found.astype(np.float32) if found.dtype == np.float64 else found
    face = open_face(model, device, found.shape[-1] if found.ndim else 0)
    return np.concatenate(list(batches(found, face, Wanted(order, compat, expressions, all_columns))))


def batches(features: Array, face: Windows, wanted: Wanted) -> Iterator[Array]:
    """What `process_audio_features` gives, piece by piece, each as soon as nothing can change it any more."""
    if features.shape[:1] == (0,):
        raise UsageError("there are no features: 0 frames.", hint="Make them of a longer recording.")
    ours, percent = is_ours(face), 100 if wanted.compat else 1
    express = _expressions() if (ours if wanted.expressions is None else wanted.expressions) else None
    used = len(LIVELINK_61) if wanted.all_columns else USED
    for weights, emotion in face.batches(features, compat=wanted.compat, all_channels=wanted.all_columns):
        frames = np.zeros((len(weights), len(CSV_68)), np.float32)
        frames[:, :used] = weights[:, :used]
        frames[:, len(LIVELINK_61) :] = np.clip(emotion, 0, percent) if ours else emotion
        shapes = frames[:, : len(LIVELINK_CSV)]
        if ours or express:
            np.clip(shapes, 0, 1, out=shapes)
        if express:
            shapes[:] = express(shapes, np.clip(emotion / percent, 0, 1))
        yield in_order(frames, wanted.order)


def is_ours(face: Windows) -> bool:
    """Whether a model was trained by voxface, in natural units; the family's are trained on percent."""
    return face.window.divide == 1


def open_face(model: Model | None = None, device: object = None, width: int = 0) -> Windows:
    """A model, ready to be asked; bundles are kept open for the next call.

    width: of the features, for a torch module that does not say what it takes
    Raises: UsageError: no such device for it. VoxfaceError: the bundle cannot be used, or streams.
    """
    if isinstance(model, Windows):
        return model
    if model is None or isinstance(model, str | Path | Bundle):
        if device is not None and str(device) != "cpu":
            raise UsageError(f"bundles run on the CPU; device {str(device)!r} is for torch modules.")
        return open_bundle(model or DEFAULT_MODEL)
    return _of_module(model, device, width)


def open_bundle(model: str | Path | Bundle) -> WindowNet:
    """A windowed bundle. Raises: BundleSchemaError: it streams. VoxfaceError: it cannot be used."""
    return _opened(as_bundle(model))


@lru_cache(maxsize=4)
def _opened(bundle: Bundle) -> WindowNet:
    if bundle.window is None:
        raise BundleSchemaError(
            f"bundle {bundle.name!r} streams, and is none of this family.",
            hint=f"Give {DEFAULT_MODEL}, an imported one, or use voxface.animate.",
        )
    return WindowNet(bundle, offline_threads())


def _of_module(module: Any, device: object, width: int) -> Windows:
    """A torch module in the units of the family, 68 or 61 values a frame."""
    if not hasattr(module, "state_dict"):
        raise UsageError(f"the model is a bundle's name or a torch module; got {type(module).__name__}.")
    from voxface.models.transformer import on_arrays

    split = len(LIVELINK_61)
    with _blamed(f"the module cannot run on {device!r}"):
        ask = on_arrays(module, None if device is None else str(device))

    def forward(rows: Array) -> Array:
        with _blamed(f"the module cannot take {rows.shape} float32 numbers"):
            values = ask(rows)
        if values.shape[:-1] != rows.shape[:-1] or values.shape[-1] not in (split, len(CSV_68)):
            frames = f"{rows.shape[:-1]} frames"
            raise UsageError(
                f"the model gives {values.shape} values for {frames}; {len(CSV_68)} or {split} are needed."
            )
        return np.pad(values, ((0, 0), (0, 0), (0, len(CSV_68) - values.shape[-1])))

    return Windows(forward, getattr(getattr(module, "config", None), "width_in", width), ORIGINAL)


@contextmanager
def _blamed(what: str) -> Iterator[None]:
    """Whatever somebody else's module raises becomes one sentence. Raises: UsageError."""
    try:
        yield
    except Exception as error:
        raise UsageError(f"{what}: {str(error).splitlines()[0] if str(error) else type(error).__name__}.") from error


@lru_cache(maxsize=1)
def _expressions() -> Callable[[Array, Array], Array]:
    return Expressions.load().over(LIVELINK_CSV)
