"""voxface: speech in, face animation out.

>>> import voxface
>>> clip = voxface.animate("speech.wav")
>>> voxface.write(clip, "speech.csv")
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from voxface.errors import VoxfaceError

if TYPE_CHECKING:  # imported on first use, so that `import voxface` stays light
    from voxface.export.formats import read, write
    from voxface.face.clip import FaceClip
    from voxface.face.rig import ARKIT
    from voxface.runtime.animate import animate

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before it loads, or onnxruntime reports each session to its maker

__version__ = "0.1.0"
__all__ = ["ARKIT", "FaceClip", "VoxfaceError", "__version__", "animate", "read", "write"]

_HOME = {
    "animate": "voxface.runtime.animate",
    "read": "voxface.export.formats",
    "write": "voxface.export.formats",
    "FaceClip": "voxface.face.clip",
    "ARKIT": "voxface.face.rig",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'voxface' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
