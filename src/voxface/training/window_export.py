"""A net on windows becomes a bundle: ONNX as trained or in int8, checked against its source."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from voxface.audio.features import FeatureSpec
from voxface.bundle import SUFFIX, Bundle, OutputSpec, WindowSpec, save_bundle
from voxface.errors import BundleError
from voxface.face.rig import EMOTIONS, LIVELINK_61
from voxface.files import make_folder
from voxface.models.transformer import on_arrays
from voxface.runtime.window_net import WindowNet
from voxface.runtime.windows import Forward
from voxface.training.export import LARGEST_DIFFERENCE, OPSET

Precision = Literal["fp32", "int8"]
_OUTPUTS = (OutputSpec("weights", LIVELINK_61, "1, radians"), OutputSpec("emotion", EMOTIONS, "1"))
_GRID = {0: "batch", 1: "frames"}


class _Parted(nn.Module):
    """(batch, frames, 68 or 61) values as two outputs; emotions that a net does not give are 0."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        values = self.module(rows)
        split, both = len(LIVELINK_61), len(LIVELINK_61) + len(EMOTIONS)
        padded = nn.functional.pad(values, (0, both - values.shape[-1]))
        return padded[..., :split], padded[..., split:]


def save_window_bundle(
    module: nn.Module,
    folder: Path,
    *,
    feature: FeatureSpec,
    window: WindowSpec,
    training: Mapping[str, Any],
    metrics: Mapping[str, Any] | None = None,
    name: str | None = None,
    drives: Sequence[str] | None = None,
    precision: Precision = "fp32",
) -> tuple[Bundle, float]:
    """Make a windowed bundle of a net.

    Args:
        module: (batch, frames, feature.rows) float32 -> (batch, frames, 68), or 61 without emotions.
        folder: of the bundle, `<name>.voxface`; files in it are replaced.
        window: how it is run; its frames are the longest that the net takes.
        drives: channels of LIVELINK_61 that it moves; default: those that the window does not zero.
        precision: "int8": weights of linear layers in 8 bits, a quarter of the size and faster on CPUs.
    Returns: the bundle, and the largest difference between torch and onnxruntime on noise, in units of the result
        (weights and emotions 0...1); with fp32 at most 1e-4.
    Raises: BundleError: the two differ by more.
    """
    moved = [channel for channel in LIVELINK_61 if channel not in window.zeroed] if drives is None else drives
    parts: dict[str, Any] = {
        "name": name or folder.name.removesuffix(SUFFIX), "feature": feature, "look_ahead_rows": 0, "states": (),
        "outputs": _OUTPUTS, "drives": moved, "window": window, "metrics": dict(metrics or {}),
    }  # fmt: skip
    make_folder(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as place:
        model = write_onnx(module.eval(), Path(place), feature.rows, window.frames, precision)
        trial = save_bundle(Path(place) / f"trial{SUFFIX}", model=model, training={}, **parts)
        difference = window_parity(on_arrays(module), WindowNet(trial))
        if precision == "fp32" and not difference <= LARGEST_DIFFERENCE:
            raise BundleError(
                f"the exported model differs from the trained one by {difference:.1e}, more than {LARGEST_DIFFERENCE}.",
                hint="This is a fault of the export; report it.",
            )
        said = dict(training) | {"precision": precision, "difference": difference}
        return save_bundle(folder, model=trial.folder / "model.onnx", training=said, **parts), difference


def write_onnx(module: nn.Module, folder: Path, width: int, frames: int, precision: Precision) -> Path:
    """The ONNX form of a net on windows, in a file of this folder: batch and frames are free."""
    plain, small = folder / "plain.onnx", folder / "int8.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the exporter by tracing will go one day; it is exact
        torch.onnx.export(
            _Parted(module),
            (torch.zeros(2, frames, width),),
            plain,
            dynamo=False,
            opset_version=OPSET,
            input_names=["rows"],
            output_names=[out.name for out in _OUTPUTS],
            dynamic_axes=dict.fromkeys(("rows", "weights", "emotion"), _GRID),
        )
    if precision == "fp32":
        return plain
    logging.disable(logging.WARNING)  # it recommends a preparation that changes nothing here
    try:
        quantize_dynamic(plain, small, ["MatMul"], per_channel=True, weight_type=QuantType.QInt8)
    finally:
        logging.disable(logging.NOTSET)
    plain.unlink()
    return small


def window_parity(expected: Forward, found: WindowNet) -> float:
    """The largest difference between a net and its bundle on two windows of noise, full and short, in the result's
    units."""
    random, window = np.random.default_rng(7), found.window
    unit = np.array([window.divide] * len(LIVELINK_61) + [window.divide_emotion] * len(EMOTIONS), np.float32)
    worst = 0.0
    for frames in (window.frames, (window.frames + 1) // 2):
        rows = random.standard_normal((2, frames, found.width)).astype(np.float32)
        ours, theirs = found.forward(rows), expected(rows)
        worst = max(worst, float(np.abs((ours[..., : theirs.shape[-1]] - theirs) / unit[: theirs.shape[-1]]).max()))
    return worst
