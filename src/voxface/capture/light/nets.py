"""The networks inside the face landmarker file, run by LiteRT on one thread."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import numpy as np

from voxface.capture.face_model import FaceModel
from voxface.capture.light.layout import with_slopes_in_rows
from voxface.capture.quiet import quiet_stderr
from voxface.errors import FaceModelError, MissingDependencyError
from voxface.stream import Array

LIBRARY = "ai-edge-litert"
_HINT = "pip install 'voxface[capture]', or use --tracker mediapipe."


class Net:
    """One network: an array in, its outputs out.

    Args:
        content: a .tflite file. shape: what its input must be.
        outputs: shapes that its outputs must have, in the order in which they are given.
    Raises: ValueError, RuntimeError: the bytes are no such network.
    """

    def __init__(self, content: bytes, shape: tuple[int, ...], outputs: tuple[tuple[int, ...], ...]) -> None:
        self._interpreter = load_litert().Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        found = self._interpreter.get_input_details() + self._interpreter.get_output_details()
        kept, wanted = found[: 1 + len(outputs)], [shape, *outputs]
        if [tuple(int(n) for n in one["shape"]) for one in kept] != wanted:
            raise ValueError(f"a network with inputs and outputs {[one['shape'].tolist() for one in found]}")
        self._input, *self._outputs = [one["index"] for one in kept]

    def __call__(self, values: Array, scale: float = 1.0) -> list[Array]:
        """Run it on values of its shape, times `scale`; the outputs are the caller's own arrays."""
        np.multiply(values, np.float32(scale), out=self._interpreter.tensor(self._input)())
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


@dataclass(frozen=True, slots=True)
class Nets:
    """What lies in the landmarker file.

    detector:    (1, 128, 128, 3) in [-1, 1] -> boxes (1, 896, 16), scores (1, 896, 1)
    landmarks:   (1, 256, 256, 3) in [0, 1] -> 478 points (1, 1, 1, 1434) in pixels, presence (1, 1, 1, 1)
    blendshapes: (1, 146, 2) pixels -> (52,) weights
    geometry:    the canonical face, as in formats.md §2
    """

    detector: Net
    landmarks: Net
    blendshapes: Net
    geometry: bytes


def open_nets(model: FaceModel) -> Nets:
    """The networks of a landmarker file.

    Raises: MissingDependencyError: no LiteRT. FaceModelError: the file holds other networks, or none.
    """
    load_litert()
    try:
        with quiet_stderr(), zipfile.ZipFile(io.BytesIO(model.content)) as inside:
            return Nets(
                Net(inside.read("face_detector.tflite"), (1, 128, 128, 3), ((1, 896, 16), (1, 896, 1))),
                Net(
                    with_slopes_in_rows(inside.read("face_landmarks_detector.tflite")),
                    (1, 256, 256, 3),
                    ((1, 1, 1, 1434), (1, 1, 1, 1)),
                ),
                Net(inside.read("face_blendshapes.tflite"), (1, 146, 2), ((52,),)),
                inside.read("geometry_pipeline_metadata_landmarks.binarypb"),
            )
    except (RuntimeError, ValueError, KeyError, zipfile.BadZipFile) as error:
        text = f"LiteRT refuses the face landmarker {model.path}: {error}."
        raise FaceModelError(text, source=str(model.path)) from error


def load_litert() -> Any:
    """The module with LiteRT's interpreter, imported now. Raises: MissingDependencyError: it cannot be had."""
    try:
        from ai_edge_litert import interpreter
    except ModuleNotFoundError as error:
        text = f"the light tracker needs LiteRT ({LIBRARY}), which is not installed ({error})."
        raise MissingDependencyError(text, hint=_HINT) from error
    except (ImportError, OSError) as error:
        raise MissingDependencyError(f"LiteRT ({LIBRARY}) cannot be loaded: {error}.", hint=_HINT) from error
    return interpreter


def litert_version() -> str:
    """The installed version; "unknown" without one."""
    try:
        return metadata.version(LIBRARY)
    except metadata.PackageNotFoundError:
        return "unknown"
