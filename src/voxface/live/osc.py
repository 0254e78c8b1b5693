"""Open Sound Control 1.0, as much as avatars need: messages of text, whole numbers and floats, in bundles.

Strings end with a zero byte and are filled up to four bytes; numbers are big-endian and 32 bits wide.
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from typing import NamedTuple

from voxface.errors import PacketError

_BUNDLE, _AT_ONCE = b"#bundle\0", struct.pack(">Q", 1)
_DEEPEST = 4


class Message(NamedTuple):
    """An address such as /VMC/Ext/OK and its arguments; a float stays a float, a whole number an int."""

    address: str
    arguments: tuple[str | int | float, ...] = ()


def encode(message: Message) -> bytes:
    """The bytes of a message."""
    tags, data = ",", b""
    for value in message.arguments:
        tags += {str: "s", int: "i", float: "f"}[type(value)]
        data += _string(value) if isinstance(value, str) else struct.pack(f">{tags[-1]}", value)
    return _string(message.address) + _string(tags) + data


def bundles(messages: list[bytes], most_bytes: int) -> list[bytes]:
    """Messages packed in their order into as few bundles as hold at most `most_bytes` each."""
    packed, open_one = [], _BUNDLE + _AT_ONCE
    for message in messages:
        element = struct.pack(">i", len(message)) + message
        if len(open_one) + len(element) > most_bytes and len(open_one) > len(_BUNDLE + _AT_ONCE):
            packed.append(open_one)
            open_one = _BUNDLE + _AT_ONCE
        open_one += element
    return [*packed, open_one]


def decode(data: bytes) -> list[Message]:
    """The messages of a datagram, those of bundles in their order.

    Raises: PacketError: anything is not as OSC 1.0 says, or a number is NaN or infinite.
    """
    try:
        return _elements(data, 0) if data.startswith(_BUNDLE) else [_message(data)]
    except (struct.error, UnicodeDecodeError, ValueError) as error:
        raise PacketError(f"no OSC in {len(data)} bytes: {error}.") from error


def _elements(data: bytes, depth: int) -> list[Message]:
    if depth > _DEEPEST:
        raise ValueError(f"bundles in bundles, more than {_DEEPEST} deep")
    found, at = [], 16  # behind the name and the time
    if len(data) < at:
        raise ValueError("a bundle without its time")
    while at < len(data):
        (size,) = struct.unpack_from(">i", data, at)
        element = data[at + 4 : at + 4 + size]
        if size <= 0 or size % 4 or len(element) != size:
            raise ValueError(f"an element of {size} bytes")
        found += _elements(element, depth + 1) if element.startswith(_BUNDLE) else [_message(element)]
        at += 4 + size
    return found


def _message(data: bytes) -> Message:
    address, at = _text(data, 0)
    tags, at = _text(data, at)
    if not address.startswith("/") or not tags.startswith(","):
        raise ValueError("a message without an address or types")
    arguments: list[str | int | float] = []
    for tag in tags[1:]:
        if tag == "s":
            value, at = _text(data, at)
            arguments.append(value)
        elif tag in "if":
            (number,) = struct.unpack_from(f">{tag}", data, at)
            arguments.append(_finite(number))
            at += 4
        else:
            raise ValueError(f"an argument of type {tag!r}")
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes behind the last argument")
    return Message(address, tuple(arguments))


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("a number that is not finite")
    return number


@lru_cache(maxsize=1024)  # the same few addresses and names come with every frame
def _string(text: str) -> bytes:
    data = text.encode()
    return data + b"\0" * (4 - len(data) % 4)


def _text(data: bytes, at: int) -> tuple[str, int]:
    """A string and where the next value begins."""
    end = data.index(b"\0", at)
    after = end + 4 - (end - at) % 4
    if len(data) < after or data[end:after].strip(b"\0"):
        raise ValueError("a string that is not filled up with zeros")
    return data[at:end].decode(), after
