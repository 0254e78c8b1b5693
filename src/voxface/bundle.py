"""The shipped form of a model: a folder `<name>.voxface/` with `model.onnx` and `bundle.json` (SPEC C6).

`model.onnx` takes "rows" (batch, rows, width) float32 and each state by its name; it gives each output by its name and
each state as "<name>_next". Batch and rows are free. `bundle.json` says everything else: channels, features,
look-ahead, how it was trained and what was measured.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxface.audio.features import FEATURE_LOOK_AHEAD_MS, FeatureSpec
from voxface.audio.resample import Resampler
from voxface.errors import BundleError, BundleSchemaError, InputError, MissingDependencyError
from voxface.face.rig import ARKIT, HEAD
from voxface.files import atomic_write
from voxface.timebase import HOP_MS, ROW_RATE_HZ

FORMAT, VERSION = "voxface-bundle", 1
SUFFIX = ".voxface"
LARGEST_FILE = 9_000_000  # bytes
MOST_LOOK_AHEAD = 31  # rows
_SHIPPED = Path(__file__).parent / "bundles"


@dataclass(frozen=True, slots=True)
class StateSpec:
    """One state of the net: its name, its shape with a batch of 1, its type ("float32")."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """One output of the net: its name, one channel name per column, the unit of its values."""

    name: str
    channels: tuple[str, ...]
    unit: str


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A model as shipped, checked: what `bundle.json` says, and where it lies.

    folder: where model.onnx and bundle.json are · rig: names of the weights it gives · rate_hz: rows a second
    drives: names of the channels (of the head too) that it has learned to move; the others rest or move by themselves
    look_ahead_rows: the output after row t describes row t - look_ahead_rows
    sha256: of model.onnx, 64 hex digits
    """

    folder: Path
    name: str
    rig: tuple[str, ...]
    drives: tuple[str, ...]
    rate_hz: int
    feature: FeatureSpec
    look_ahead_rows: int
    states: tuple[StateSpec, ...]
    outputs: tuple[OutputSpec, ...]
    training: Mapping[str, Any]
    metrics: Mapping[str, Any]
    sha256: str

    def __post_init__(self) -> None:
        where = f"bundle {self.name!r}"
        if self.rate_hz != ROW_RATE_HZ:
            raise BundleSchemaError(
                f"{where} runs at {self.rate_hz} rows a second; this version runs at {ROW_RATE_HZ}."
            )
        if not 0 <= self.look_ahead_rows <= MOST_LOOK_AHEAD:
            raise BundleSchemaError(
                f"{where} looks {self.look_ahead_rows} rows ahead; 0 to {MOST_LOOK_AHEAD} are allowed."
            )
        weights = [out for out in self.outputs if out.name == "weights"]
        if len(weights) != 1 or weights[0].channels != self.rig:
            has = len(weights[0].channels) if weights else 0
            raise BundleSchemaError(
                f"{where}: its output 'weights' has {has} channels, its rig {len(self.rig)}; "
                "they must be the same names in the same order."
            )
        heads = [out for out in self.outputs if out.name == "head"]
        if heads and heads[0].channels != HEAD:
            raise BundleSchemaError(f"{where}: its output 'head' must have the channels {', '.join(HEAD)}.")
        strange = sorted(set(self.rig) - set(ARKIT))
        if strange:
            raise BundleSchemaError(f"{where} drives channels that are no ARKit blendshapes: {', '.join(strange[:5])}.")
        silent = sorted(set(self.drives) - set(_weights_and_head(self.outputs)))
        if silent:
            raise BundleSchemaError(f"{where} says that it drives {', '.join(silent[:5])}, which it does not give.")
        if not set(HEAD) <= set(self.drives) and set(HEAD) & set(self.drives):
            raise BundleSchemaError(f"{where} drives a part of the head; it must be all of {', '.join(HEAD)} or none.")

    def model_bytes(self) -> bytes:
        """The ONNX model. Raises: BundleError: missing, too large, or not the bytes that bundle.json names."""
        path = self.folder / "model.onnx"
        data = _read(path)
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise BundleError(
                f"{path} is not the file that {self.folder / 'bundle.json'} describes (sha256 differs).",
                hint="Copy the whole bundle again.",
                source=str(path),
            )
        return data

    def latency_ms(self, rate_hz: int) -> float:
        """How long after a sound its face is known: resampler, half a window, one hop, look-ahead (SPEC C7)."""
        return (
            Resampler(rate_hz).latency_ms + FEATURE_LOOK_AHEAD_MS + HOP_MS + 1000 * self.look_ahead_rows / self.rate_hz
        )

    def to_json(self) -> dict[str, Any]:
        """The content of bundle.json; `drives` stands there only where it is not simply everything."""
        some = {} if self.drives == _weights_and_head(self.outputs) else {"drives": list(self.drives)}
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "rig": list(self.rig),
            **some,
            "rate_hz": self.rate_hz,
            "feature": self.feature.to_json(),
            "look_ahead_rows": self.look_ahead_rows,
            "states": [{"name": s.name, "shape": list(s.shape), "dtype": s.dtype} for s in self.states],
            "outputs": [{"name": o.name, "channels": list(o.channels), "unit": o.unit} for o in self.outputs],
            "training": dict(self.training),
            "metrics": dict(self.metrics),
            "sha256": self.sha256,
        }


def shipped_bundles() -> list[str]:
    """Names of the bundles inside the package."""
    return sorted(path.name.removesuffix(SUFFIX) for path in _SHIPPED.glob(f"*{SUFFIX}") if path.is_dir())


def load_bundle(name_or_path: str | Path) -> Bundle:
    """Open a bundle by shipped name or by path; the model itself is read and verified by `model_bytes`.

    Raises: BundleError: not a bundle, damaged, or newer than this version. BundleSchemaError: its parts disagree.
        MissingDependencyError: no shipped bundle has this name and nothing lies at this path.
    """
    folder = _find(name_or_path)
    path = folder / "bundle.json"
    try:
        value = json.loads(_read(path).decode("utf-8"), parse_constant=_refuse)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} is not readable JSON: {error}.", source=str(path)) from error
    return _from_json(folder, value)


def save_bundle(
    folder: Path,
    *,
    model: bytes,
    name: str,
    feature: FeatureSpec,
    look_ahead_rows: int,
    states: Sequence[StateSpec],
    outputs: Sequence[OutputSpec],
    training: Mapping[str, Any],
    metrics: Mapping[str, Any],
    drives: Sequence[str] | None = None,
) -> Bundle:
    """Write a bundle and give it back as loaded. The JSON comes last, so a torn write is no bundle.

    drives: channels that it moves; default: all of its weights, and the head if it gives one
    Raises: BundleError: the model is larger than 9 MB. BundleSchemaError: the parts disagree.
    """
    if len(model) > LARGEST_FILE:
        raise BundleError(f"the model has {len(model)} bytes; a bundle's file may have {LARGEST_FILE}.")
    rig = next((out.channels for out in outputs if out.name == "weights"), ())
    moved = _weights_and_head(outputs) if drives is None else tuple(drives)
    bundle = Bundle(
        folder, name, rig, moved, ROW_RATE_HZ, feature, look_ahead_rows, tuple(states), tuple(outputs), training,
        metrics, hashlib.sha256(model).hexdigest(),
    )  # fmt: skip
    with atomic_write(folder / "model.onnx") as file:
        file.write(model)
    _write_json(bundle)
    return load_bundle(folder)


def _weights_and_head(outputs: Sequence[OutputSpec]) -> tuple[str, ...]:
    return tuple(name for out in outputs if out.name in ("weights", "head") for name in out.channels)


def _write_json(bundle: Bundle) -> None:
    with atomic_write(bundle.folder / "bundle.json", "w") as file:
        json.dump(bundle.to_json(), file, indent=1, allow_nan=False)
        file.write("\n")


def _find(name_or_path: str | Path) -> Path:
    text = str(name_or_path)
    if text in shipped_bundles():
        return _SHIPPED / f"{text}{SUFFIX}"
    path = Path(text)
    if path.is_dir():
        return path
    if path.exists():
        raise BundleError(
            f"{path} is not a bundle: a bundle is a folder with model.onnx and bundle.json.",
            hint="Export a checkpoint first: voxface model export RUN -o NAME.voxface.",
            source=text,
        )
    names = ", ".join(shipped_bundles()) or "none"
    raise MissingDependencyError(
        f"no bundle {text!r}: neither a folder here nor one of the shipped ones ({names}).", source=text
    )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BundleError(
                f"{path} is larger than the {LARGEST_FILE} bytes a bundle's file may have.", source=str(path)
            )
        return path.read_bytes()
    except FileNotFoundError as error:
        raise BundleError(f"{path.parent} is not a bundle: {path.name} is missing.", source=str(path.parent)) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.", source=str(path)) from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON number")


def _from_json(folder: Path, value: Any) -> Bundle:
    path = folder / "bundle.json"
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise BundleError(f"{path} is not the description of a voxface bundle.", source=str(path))
    version = value.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise BundleError(
            f"{path} has version {version}; this voxface reads up to {VERSION}.",
            hint="Update voxface.",
            source=str(path),
        )
    try:
        outputs = tuple(
            OutputSpec(str(o["name"]), tuple(map(str, o["channels"])), str(o["unit"])) for o in value["outputs"]
        )
        return Bundle(
            folder=folder,
            name=str(value["name"]),
            rig=tuple(str(name) for name in value["rig"]),
            drives=tuple(map(str, value["drives"])) if "drives" in value else _weights_and_head(outputs),
            rate_hz=int(value["rate_hz"]),
            feature=FeatureSpec.from_json(value["feature"]),
            look_ahead_rows=int(value["look_ahead_rows"]),
            states=tuple(
                StateSpec(str(s["name"]), tuple(map(int, s["shape"])), str(s["dtype"])) for s in value["states"]
            ),
            outputs=outputs,
            training=dict(value["training"]),
            metrics=dict(value["metrics"]),
            sha256=str(value["sha256"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleSchemaError(f"{path} lacks or garbles a field: {error!r}.", source=str(path)) from error
