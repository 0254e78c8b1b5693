"""The landmark network with its slopes laid out so that XNNPACK is quick with them; not one bit of a result changes.

XNNPACK runs a PReLU as an operation of two arrays and goes over what the smaller one lacks in a loop. The file holds
one slope per channel, which is a call of the kernel for each pixel's 8 or 16 numbers. Repeated along a row of pixels,
the same slopes are one call per row: the network takes an eighth less time.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any

import numpy as np

_KINDS = {0: np.float32, 1: np.float16}  # TensorType of the schema -> how slopes are stored


@lru_cache(maxsize=1)  # every tracker of a process opens the same file
def with_slopes_in_rows(content: bytes) -> bytes:
    """A .tflite file whose PReLU slopes (1, 1, channels) became (1, width, channels).

    Raises: ValueError: the bytes are no such file.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    try:
        model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
        _repeat_slopes(model, schema.BuiltinOperator)
    except (TypeError, AttributeError, LookupError, struct.error) as error:
        raise ValueError(f"a network that cannot be read ({error})") from error
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _repeat_slopes(model: Any, kinds: Any) -> None:
    """Change the model in its place; slopes may be stored as halves that another operator makes whole."""
    graph = model.subgraphs[0]
    stored = {one.outputs[0]: one.inputs[0] for one in _operators(model, kinds.DEQUANTIZE)}
    for one in _operators(model, kinds.PRELU):
        values, slopes = one.inputs
        width = int(graph.tensors[values].shape[2])
        source = graph.tensors[stored.get(slopes, slopes)]
        buffer = model.buffers[source.buffer]
        row = np.tile(np.frombuffer(bytes(buffer.data), _KINDS[source.type]), width)
        buffer.data = row.view(np.uint8)
        source.shape = graph.tensors[slopes].shape = np.array([1, width, len(row) // width], np.int32)


def _operators(model: Any, kind: int) -> list[Any]:
    """The operators of that kind in the first graph; old files say the kind in a field of one byte."""
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    return [one for one in model.subgraphs[0].operators if codes[one.opcodeIndex] == kind]
