"""System B by the names of its family: sound -> features -> 68 numbers a frame, 60 frames a second (docs/neurosync.md).

>>> from voxface.neurosync import extract_audio_features, process_audio_features
>>> frames = process_audio_features(extract_audio_features("speech.wav"))
"""

from voxface.neurosync.extract import extract_audio_features
from voxface.neurosync.process import process_audio_features

__all__ = ["extract_audio_features", "process_audio_features"]
