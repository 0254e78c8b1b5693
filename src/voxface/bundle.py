"""The shipped form of a model: a folder `<name>.voxface/` with `model.onnx` and `bundle.json` (SPEC C6).

Three kinds share one form:

- a streaming face: gives "weights" (of ARKit's names) and maybe "head", 100 rows a second, with states;
- a streaming emotion: gives only "emotion", likewise;
- a windowed face (`window` stands in its bundle.json): gives "weights" (LIVELINK_61) and "emotion" for windows of
  frames, 60 a second. It has no states and cannot stream.

`model.onnx` takes "rows" (batch, rows, width) float32 and each state by its name; it gives each output by its name and
each state as "<name>_next". Batch and rows are free. `bundle.json` says everything else: channels, features,
look-ahead, how it was trained and what was measured.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from voxface.audio.features import FEATURE_LOOK_AHEAD_MS, FeatureSpec
from voxface.audio.resample import Resampler
from voxface.errors import BundleError, BundleSchemaError, InputError, MissingDependencyError, UsageError
from voxface.face.rig import ARKIT, EMOTIONS, HEAD, LIVELINK_61
from voxface.files import atomic_write, make_folder, sha256_hex
from voxface.timebase import HOP_MS, PAIR_RATE_HZ, ROW_RATE_HZ

FORMAT, VERSION = "voxface-bundle", 1
SUFFIX = ".voxface"
LARGEST_FILE = 9_000_000  # bytes; imported windowed models may be larger
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


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """How a windowed model is run: what of this belongs to its file and not to its user (neurosync.md N5).

    frames:         of a window, 60 a second
    overlap:        frames that neighbouring windows share, in which one fades into the next
    divide:         weights and angles are divided by it: 1 for ours, 100 for models trained on percent
    divide_emotion: likewise for the seven emotions
    ease_in_frames: the first frames of a clip rise from 0
    zeroed:         names of channels that are 0 whatever the model says
    """

    frames: int = 128
    overlap: int = 32
    divide: float = 1.0
    divide_emotion: float = 1.0
    ease_in_frames: int = 0
    zeroed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "zeroed", tuple(self.zeroed))
        if not all(isinstance(count, int) for count in (self.frames, self.overlap, self.ease_in_frames)):
            raise BundleSchemaError(f"a window is counted in whole frames; got {self}.")
        if not 0 <= self.overlap < self.frames or self.ease_in_frames < 0:
            raise BundleSchemaError(f"a window has at least 1 frame and overlaps by less than its frames; got {self}.")
        if not 0 < min(self.divide, self.divide_emotion) <= max(self.divide, self.divide_emotion) < float("inf"):
            raise BundleSchemaError(f"a window's values are divided by positive numbers; got {self}.")
        strange = sorted(set(self.zeroed) - set(LIVELINK_61))
        if strange:
            raise BundleSchemaError(f"a window zeroes channels that no model gives: {', '.join(strange[:5])}.")


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A model as shipped, checked: what `bundle.json` says, and where it lies.

    Two are equal that lie at the same place and say the same; so what was opened can be kept for the next one.

    folder: where model.onnx and bundle.json are · rig: names of the weights it gives · rate_hz: rows a second
    drives: names of the channels (of the head too) that it has learned to move; the others rest or move by themselves
    look_ahead_rows: the output after row t describes row t - look_ahead_rows
    sha256: of model.onnx, 64 hex digits · window: how a windowed model is run; None: a streaming one
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
    window: WindowSpec | None = None

    def __post_init__(self) -> None:
        where = f"bundle {self.name!r}"
        _check_rate(where, self)
        _check_outputs(where, self)
        silent = sorted(set(self.drives) - set(_weights_and_head(self.outputs)))
        if silent:
            raise BundleSchemaError(f"{where} says that it drives {', '.join(silent[:5])}, which it does not give.")
        if not set(HEAD) <= set(self.drives) and set(HEAD) & set(self.drives):
            raise BundleSchemaError(f"{where} drives a part of the head; it must be all of {', '.join(HEAD)} or none.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bundle):
            return NotImplemented
        return self.folder.absolute() == other.folder.absolute() and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.sha256)

    def model_bytes(self) -> bytes:
        """The ONNX model. Raises: BundleError: missing, too large, or not the bytes that bundle.json names."""
        data = _read(self.folder / "model.onnx")
        self._compare(hashlib.sha256(data).hexdigest())
        return data

    def model_path(self) -> Path:
        """Where the ONNX model lies, read once in blocks and found right: for large ones.

        Raises: BundleError: missing, or not the bytes that bundle.json names.
        """
        path = self.folder / "model.onnx"
        _file_size(path)
        self._compare(sha256_hex(path))
        return path

    def _compare(self, sha256: str) -> None:
        if sha256 != self.sha256:
            path = self.folder / "model.onnx"
            raise BundleError(
                f"{path} is not the file that {self.folder / 'bundle.json'} describes (sha256 differs).",
                hint="Copy the whole bundle again.",
                source=str(path),
            )

    def latency_ms(self, rate_hz: int) -> float:
        """How long after a sound its face is known: resampler, half a window, one hop, look-ahead (SPEC C7).

        Raises: UsageError: a windowed bundle, which needs the whole sound first.
        """
        if self.window:
            raise UsageError(f"bundle {self.name!r} works on whole clips and cannot stream, so it has no latency.")
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
            **({"window": asdict(self.window) | {"zeroed": list(self.window.zeroed)}} if self.window else {}),
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


def as_bundle(bundle: str | Path | Bundle) -> Bundle:
    """A bundle that is opened already, or load_bundle's; a name is looked up every time, for its folder may change."""
    return bundle if isinstance(bundle, Bundle) else load_bundle(bundle)


def save_bundle(
    folder: Path,
    *,
    model: bytes | Path,
    name: str,
    feature: FeatureSpec,
    look_ahead_rows: int,
    states: Sequence[StateSpec],
    outputs: Sequence[OutputSpec],
    training: Mapping[str, Any],
    metrics: Mapping[str, Any],
    drives: Sequence[str] | None = None,
    window: WindowSpec | None = None,
) -> Bundle:
    """Write a bundle and give it back as loaded. The JSON comes last, so a torn write is no bundle.

    model: the bytes of the ONNX model, or a file with them, which is moved into the bundle: for large ones
    drives: channels that it moves; default: all of its weights, and the head if it gives one
    Raises: BundleError: the model of a streaming bundle is larger than 9 MB. BundleSchemaError: the parts disagree.
    """
    size = len(model) if isinstance(model, bytes) else _file_size(model)
    if window is None and size > LARGEST_FILE:
        raise BundleError(f"the model has {size} bytes; a bundle's file may have {LARGEST_FILE}.")
    rig = next((out.channels for out in outputs if out.name == "weights"), ())
    moved = _weights_and_head(outputs) if drives is None else tuple(drives)
    bundle = Bundle(
        folder, name, rig, moved, PAIR_RATE_HZ if window else ROW_RATE_HZ, feature, look_ahead_rows, tuple(states),
        tuple(outputs), training, metrics,
        hashlib.sha256(model).hexdigest() if isinstance(model, bytes) else sha256_hex(model), window,
    )  # fmt: skip
    if isinstance(model, bytes):
        with atomic_write(folder / "model.onnx") as file:
            file.write(model)
    else:
        make_folder(folder)
        shutil.move(model, folder / "model.onnx")
    _write_json(bundle)
    return load_bundle(folder)


def _check_rate(where: str, bundle: Bundle) -> None:
    """Rows a second, look-ahead and states are those of the bundle's kind."""
    rate = PAIR_RATE_HZ if bundle.window else ROW_RATE_HZ
    if bundle.rate_hz != rate:
        kind = "windowed" if bundle.window else "streaming"
        raise BundleSchemaError(
            f"{where} runs at {bundle.rate_hz} rows a second; this version runs {kind} bundles at {rate}."
        )
    if bundle.feature.rate_hz != rate or not (bundle.window or bundle.feature.streamable):
        raise BundleSchemaError(f"{where} cannot run on the feature {bundle.feature.kind!r}: wrong rate, or no stream.")
    if bundle.window and (bundle.look_ahead_rows or bundle.states):
        raise BundleSchemaError(f"{where} is windowed; it can have neither states nor look-ahead.")
    if not 0 <= bundle.look_ahead_rows <= MOST_LOOK_AHEAD:
        raise BundleSchemaError(
            f"{where} looks {bundle.look_ahead_rows} rows ahead; 0 to {MOST_LOOK_AHEAD} are allowed."
        )


def _check_outputs(where: str, bundle: Bundle) -> None:
    """Its outputs are those of one of the three kinds, each once, with the channels that its name stands for."""
    given = {out.name: out.channels for out in bundle.outputs}
    if len(given) != len(bundle.outputs):
        raise BundleSchemaError(f"{where} names an output twice.")
    if given.get("weights", ()) != bundle.rig:
        raise BundleSchemaError(
            f"{where}: its output 'weights' has {len(given.get('weights', ()))} channels, its rig {len(bundle.rig)}; "
            "they must be the same names in the same order."
        )
    if not {"weights", "emotion"} & set(given):
        raise BundleSchemaError(f"{where} gives neither 'weights' nor 'emotion'.")
    for name, channels in (("head", HEAD), ("emotion", EMOTIONS)):
        if given.get(name, channels) != channels:
            raise BundleSchemaError(f"{where}: its output {name!r} must have the channels {', '.join(channels)}.")
    if bundle.window and (bundle.rig != LIVELINK_61 or set(given) != {"weights", "emotion"}):
        raise BundleSchemaError(f"{where} is windowed; it must give 61 weights in Live Link CSV order and 7 emotions.")
    strange = [] if bundle.window else sorted(set(bundle.rig) - set(ARKIT))
    if strange:
        raise BundleSchemaError(f"{where} drives channels that are no ARKit blendshapes: {', '.join(strange[:5])}.")


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
    if _file_size(path) > LARGEST_FILE:
        raise BundleError(f"{path} is larger than the {LARGEST_FILE} bytes a bundle's file may have.", source=str(path))
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.", source=str(path)) from error


def _file_size(path: Path) -> int:
    try:
        return path.stat().st_size
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
            window=WindowSpec(**value["window"]) if value.get("window") else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BundleSchemaError(f"{path} lacks or garbles a field: {error!r}.", source=str(path)) from error
