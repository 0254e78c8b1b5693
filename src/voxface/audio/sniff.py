"""What a file is, by its first bytes: which sound formats are read, and what else people hand in by mistake.

Only formats on the list of sounds ever reach a decoder. A playlist, a script or a picture with the name of a sound is
refused by name, before anything looks inside it.
"""

from __future__ import annotations

from dataclasses import dataclass

from voxface.audio.mpeg import is_frame

HEAD_BYTES = 4096
"""Bytes from the start of a file that `what_is` wants to see."""

READ_NOW = "WAV, RF64, W64, FLAC, Ogg (Vorbis, Opus), MP3, AIFF, CAF, AU, M4A, MP4, MOV, WebM, Matroska, AAC, AVI"
"""The formats that are read, for messages."""

BARE_AAC = "a raw AAC stream"
_MP4, _MATROSKA = "an MP4, M4A or MOV file", "a Matroska or WebM file"


@dataclass(frozen=True, slots=True)
class Kind:
    """What the bytes are.

    name:  for people, such as "a PNG picture"
    sound: True: a sound format that libsndfile reads
    track: True: a container whose sound PyAV reads
    media: True: may hold sound, but in a format that is not read; converting it helps
    """

    name: str
    sound: bool = False
    track: bool = False
    media: bool = False


WAV = Kind("WAV", sound=True)
UNKNOWN = Kind("in no known sound format")

_W64 = bytes.fromhex("72696666 2e91cf11 a5d628db 04c10000")  # "riff" as the GUID of Sony Wave64
_ASF = bytes.fromhex("3026b275 8e66cf11 a6d900aa 0062ce6c")

_MAGIC: tuple[tuple[int, bytes, Kind], ...] = (
    (0, _W64, Kind("W64", sound=True)),
    (0, b"fLaC", Kind("FLAC", sound=True)),
    (0, b"OggS", Kind("Ogg", sound=True)),
    (0, b"ID3", Kind("MP3", sound=True)),
    (0, b"caff", Kind("CAF", sound=True)),
    (0, b".snd", Kind("AU", sound=True)),
    (0, b"dns.", Kind("AU", sound=True)),
    (8, b"AIFF", Kind("AIFF", sound=True)),
    (8, b"AIFC", Kind("AIFF", sound=True)),
    (4, b"ftyp", Kind(_MP4, track=True)),
    (4, b"moov", Kind(_MP4, track=True)),
    (4, b"mdat", Kind(_MP4, track=True)),
    (4, b"wide", Kind(_MP4, track=True)),
    (0, b"\x1aE\xdf\xa3", Kind(_MATROSKA, track=True)),
    (0, _ASF, Kind("a WMA or WMV file", media=True)),
    (8, b"AVI ", Kind("an AVI video", track=True)),
    (0, b"#!AMR", Kind("an AMR recording", media=True)),
    (0, b"FLV\x01", Kind("an FLV video", media=True)),
    (0, b"wvpk", Kind("a WavPack file", media=True)),
    (0, b"MAC ", Kind("a Monkey's Audio file", media=True)),
    (0, b"MThd", Kind("a MIDI file, which holds notes and no sound")),
    (8, b"WEBP", Kind("a WebP picture")),
    (0, b"\x89PNG", Kind("a PNG picture")),
    (0, b"\xff\xd8\xff", Kind("a JPEG picture")),
    (0, b"GIF8", Kind("a GIF picture")),
    (0, b"BM", Kind("a BMP picture")),
    (0, b"%PDF", Kind("a PDF document")),
    (0, b"PK\x03\x04", Kind("a ZIP archive")),
    (0, b"PK\x05\x06", Kind("an empty ZIP archive")),
    (0, b"\x1f\x8b", Kind("a gzip archive")),
    (0, b"BZh", Kind("a bzip2 archive")),
    (0, b"\xfd7zXZ", Kind("an xz archive")),
    (0, b"7z\xbc\xaf", Kind("a 7-Zip archive")),
    (0, b"\x7fELF", Kind("a Linux program")),
    (0, b"MZ", Kind("a Windows program")),
    (0, b"\x93NUMPY", Kind("a NumPy array")),
)

_TEXT: tuple[tuple[str, Kind], ...] = (
    ("#EXTM3U", Kind("an HLS playlist")),
    ("ffconcat version", Kind("an ffconcat script")),
    ("[playlist]", Kind("a PLS playlist")),
    ("v=0", Kind("an SDP description")),
    ("<?xml", Kind("an XML document")),
    ("<MPD", Kind("a DASH manifest")),
    ("<!doctype html", Kind("a web page")),
    ("<html", Kind("a web page")),
    ("{", Kind("a JSON document")),
    ("version https://git-lfs", Kind("a Git LFS pointer, not the file it stands for")),
)


def what_is(head: bytes) -> Kind:
    """Name the format of a file from its first bytes (`HEAD_BYTES` of them, or the whole file)."""
    riff = _riff(head)
    if riff is not None:
        return riff
    for at, magic, kind in _MAGIC:
        if head[at : at + len(magic)] == magic and (magic != b"AIFF" or head[:4] == b"FORM"):
            return kind
    if is_frame(head):
        return Kind("MP3", sound=True)
    if _is_adts_frame(head):
        return Kind(BARE_AAC, track=True)
    if any(len(head) > at + size and head[at] == head[at + size] == 0x47 for at, size in ((0, 188), (4, 192))):
        return Kind("an MPEG transport stream", track=True)
    return _text(head) or UNKNOWN


def _riff(head: bytes) -> Kind | None:
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return Kind("RF64", sound=True) if head[:4] == b"RF64" else WAV
    if head[:4] in (b"RIFF", b"RF64") and len(head) < 12:
        return Kind("a WAV file that ends inside its header")
    return None


def _is_adts_frame(head: bytes) -> bool:
    return len(head) >= 4 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 15 < 13


def _text(head: bytes) -> Kind | None:
    """Text of any sort, if the bytes are printable."""
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    text = head.decode(encoding, errors="ignore")
    strange = sum(not (letter.isprintable() or letter.isspace()) for letter in text)
    if not text or strange or len(text.encode(encoding)) < 0.95 * len(head):
        return None
    start = text.lstrip().lower()
    for prefix, kind in _TEXT:
        if start.startswith(prefix.lower()):
            return Kind("a DASH manifest") if "<mpd" in start[:400] else kind
    return Kind("a text file")
