"""The net of a bundle on onnxruntime: rows and states in, outputs and states out. It keeps nothing between calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from voxface.bundle import Bundle
from voxface.errors import BundleError, BundleSchemaError
from voxface.stream import Array

States = tuple[Array, ...]


class Net:
    """A bundle's ONNX model, opened and checked against its bundle.json.

    Args:
        bundle: the bundle.
        threads: for one call; 1 for streams, where waking a second thread costs more than it brings.
    Raises: BundleError: onnxruntime cannot open the model. BundleSchemaError: the model is not what bundle.json says.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        self.bundle, self._session = bundle, open_session(bundle, bundle.model_bytes(), threads)
        self._outputs = [out.name for out in bundle.outputs]
        self._fed = ["rows", *(state.name for state in bundle.states)]
        self._wanted = self._outputs + [f"{state.name}_next" for state in bundle.states]
        self._check()

    def start(self, batch: int = 1) -> States:
        """States before the first row: zeros."""
        return tuple(np.zeros((batch, *state.shape[1:]), state.dtype) for state in self.bundle.states)

    def step(self, states: States, rows: Array) -> tuple[States, dict[str, Array]]:
        """(batch, n, width) rows, n >= 1 -> (new states, {output name: (batch, n, channels) float32})."""
        results = self._session.run(self._wanted, dict(zip(self._fed, (rows, *states), strict=True)))
        split = len(self._outputs)
        return tuple(results[split:]), dict(zip(self._outputs, results[:split], strict=True))

    def _check(self) -> None:
        """The model's inputs and outputs are those that bundle.json names, and a first row gives finite numbers."""
        bundle = self.bundle
        inputs = {node.name: node.shape for node in self._session.get_inputs()}
        outputs = {node.name: node.shape for node in self._session.get_outputs()}
        expected: dict[str, Any] = {"rows": bundle.feature.rows}
        expected |= {state.name: state.shape[-1] for state in bundle.states}
        self._compare("inputs", inputs, expected)
        expected = {out.name: len(out.channels) for out in bundle.outputs}
        expected |= {f"{state.name}_next": state.shape[-1] for state in bundle.states}
        self._compare("outputs", outputs, expected)
        rows = np.full((1, 2, bundle.feature.rows), bundle.feature.clip_db[0], np.float32)
        with in_our_words(BundleSchemaError, f"the model of bundle {bundle.name!r} does not fit its bundle.json"):
            states, found = self.step(self.start(), rows)
        for out in bundle.outputs:
            if found[out.name].shape != (1, 2, len(out.channels)):
                raise BundleSchemaError(
                    f"the model of bundle {bundle.name!r} gives {found[out.name].shape[-1]} values as {out.name!r}; "
                    f"its bundle.json names {len(out.channels)} channels."
                )
            if not np.isfinite(found[out.name]).all():
                raise BundleError(f"the model of bundle {bundle.name!r} gives NaN or infinite {out.name!r} on silence.")
        if [state.shape for state in states] != [state.shape for state in self.start()]:
            raise BundleSchemaError(f"the states of bundle {bundle.name!r} change their shape from step to step.")

    def _compare(self, what: str, found: dict[str, Any], expected: dict[str, int]) -> None:
        missing = sorted(set(expected) - set(found))
        extra = sorted(set(found) - set(expected)) if what == "inputs" else []
        if missing or extra:
            raise BundleSchemaError(
                f"the model of bundle {self.bundle.name!r} has other {what} than its bundle.json: "
                f"missing {', '.join(missing) or 'none'}; unexpected {', '.join(extra) or 'none'}."
            )
        for name, width in expected.items():
            have = found[name][-1] if found[name] else None
            if isinstance(have, int) and have != width:
                raise BundleSchemaError(
                    f"the model of bundle {self.bundle.name!r} has {have} numbers in {name!r}; "
                    f"its bundle.json says {width}."
                )


def open_session(bundle: Bundle, model: bytes | Path, threads: int) -> onnxruntime.InferenceSession:
    """onnxruntime on a bundle's model, which was checked. Raises: BundleError: it cannot be opened."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors reach us as exceptions, in our own words
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    with in_our_words(BundleError, f"onnxruntime cannot open the model of bundle {bundle.name!r}"):
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@contextmanager
def in_our_words(kind: type[BundleError], what: str) -> Iterator[None]:
    """Turn what onnxruntime raises (its own classes, or plain ones for damaged files) into one of our errors."""
    try:
        yield
    except Exception as error:
        foreign = type(error).__module__.startswith("onnxruntime")
        if not foreign and not isinstance(error, RuntimeError | ValueError | NotImplementedError):
            raise
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise kind(f"{what}: {lines[0][:200]}.") from error
