"""The messages of a2f.proto, made when this is imported from what protoc has compiled (`make a2f`).

They live in a pool of their own, so that a program may use NVIDIA's own package beside them.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SERVICE = "nvidia_ace.services.a2f_controller.v1.A2FControllerService"
METHOD = "ProcessAudioStream"
AGGREGATE = "type.googleapis.com/nvidia_ace.emotion_aggregate.v1.EmotionAggregate"
"""How NVIDIA names the one type that is named on the wire."""

_POOL = descriptor_pool.DescriptorPool()
for _file in descriptor_pb2.FileDescriptorSet.FromString(files("voxface.a2f").joinpath("a2f.binpb").read_bytes()).file:
    _POOL.AddSerializedFile(_file.SerializeToString())


def _message(name: str) -> Any:
    """Its class; what lies inside it is given as dicts."""
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{SERVICE.rpartition('.')[0]}.{name}"))


AudioStream = _message("AudioStream")
AnimationDataStream = _message("AnimationDataStream")
EmotionAggregate = _message("EmotionAggregate")

SUCCESS, ERROR = 0, 3
"""Codes of a Status."""
END_OF_A2F_AUDIO_PROCESSING = 0
