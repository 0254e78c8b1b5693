"""The fields of a protocol buffer message, as far as the geometry file needs them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_VARINT, _BYTES, _FOUR_BYTES = 0, 2, 5  # wire types


def fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """(field number, value) in order: an int, the bytes of a text or message, or the four bytes of a float.

    Raises: ValueError: damaged, or a wire type that is not read here.
    """
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind, end = key & 7, at
        if kind == _VARINT:
            value, end = _varint(message, at)
            yield key >> 3, value
        elif kind in (_BYTES, _FOUR_BYTES):
            length, at = _varint(message, at) if kind == _BYTES else (4, at)
            end = at + length
            if end > len(message):
                raise ValueError("a message that is cut short")
            yield key >> 3, message[at:end]
        else:
            raise ValueError(f"a message with wire type {kind}")
        at = end


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number in groups of 7 bits, lowest first, and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(message):
            break
        byte = message[at]
        value, at = value | (byte & 127) << shift, at + 1
        if byte < 128:
            return value, at
    raise ValueError("a message that is cut short")
