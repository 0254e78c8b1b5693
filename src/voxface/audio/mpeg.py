"""MP3 files that do not say how long they are.

An encoder writes the length into a tag in the first frame (Xing or Info). Without it libsndfile takes a guess from
the bit rate of the first frame and stops reading there: of a file with a variable bit rate, most sound can be lost.
Putting such a tag in front, with more frames than there can be, makes it read to the end. The same tag says by how much
the encoder delayed the sound, so that the decoder takes it away; where none says it, LAME's delay is the likely one.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

_RATES_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_MPEG1 = 3  # value of the version bits
_RATE_INDEX = 8  # 112 kbit/s in MPEG-1, 64 in MPEG-2: a frame with room for the tag at every sample rate
_SHORTEST_FRAME = 24  # bytes
_LAME_DELAY = 576  # samples; by far the most common encoder, and others delay by a few hundred samples more or less


def is_frame(head: bytes) -> bool:
    """A frame header of layer II or III: 11 sync bits, then no reserved version, bit rate or sample rate."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    return version != 1 and layer in (1, 2) and head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3


def first_frame(file: BinaryIO) -> int:
    """Where the first frame should be, behind the ID3 tag with titles and pictures."""
    file.seek(0)
    head = file.read(10)
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for octet in head[6:10]:  # seven bits each
        size = size << 7 | octet & 127
    return 10 + size + (10 if head[5] & 16 else 0)  # a footer repeats the header


def missing_tag(file: BinaryIO) -> tuple[bytes, int] | None:
    """The frame with a length tag that a layer III file lacks, and where its own first frame is.

    None: it has a tag, or its first frame is not where it should be.
    """
    start = first_frame(file)
    file.seek(start)
    head = file.read(64)
    if not is_frame(head) or head[1] >> 1 & 3 != 1:
        return None
    at = 4 + _side_bytes(head)
    if head[at : at + 4] in (b"Xing", b"Info") or head[36:40] == b"VBRI":
        return None
    most_frames = (file.seek(0, 2) - start) // _SHORTEST_FRAME + 1
    return _tag_frame(head, most_frames), start


def _side_bytes(head: bytes) -> int:
    """Bytes between the header of a frame and its tag: the side information, by version and channels."""
    mono = head[3] >> 6 == 3
    if head[1] >> 3 & 3 == _MPEG1:
        return 17 if mono else 32
    return 9 if mono else 17


def _tag_frame(head: bytes, frames: int) -> bytes:
    """A silent frame like the one with header `head`, tagged with a number of frames."""
    version = head[1] >> 3 & 3
    rate = _RATES_HZ[version][head[2] >> 2 & 3]
    length = 144 * 112_000 // rate if version == _MPEG1 else 72 * 64_000 // rate
    own = bytes([0xFF, head[1] | 1, _RATE_INDEX << 4 | head[2] & 0x0C, head[3]])
    delay = b"LAME3.100" + bytes(12) + (_LAME_DELAY << 12).to_bytes(3, "big")  # 12 bits of delay, 12 of padding
    tag = b"Xing" + struct.pack(">II", 1, frames) + delay
    return (own + bytes(_side_bytes(head)) + tag).ljust(length, b"\0")
