"""Outputs by the scheme of their address, `livelink://HOST:11111?subject=NAME`. A new output is a line in OUTPUTS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from voxface.errors import UsageError
from voxface.live import ifacialmocap, livelink, vmc, vrchat, vtube_studio
from voxface.live.jsonl import JsonlOutput
from voxface.live.sending import Output
from voxface.live.udp import Encoder, UdpOutput, resolve
from voxface.live.web_socket import WebSocketOutput

__all__ = ["OUTPUTS", "Kind", "Output", "Target", "open_output", "parse_target"]


class Target(NamedTuple):
    """An address, taken apart.

    url:     as it was written
    scheme:  the part before the colon, in small letters
    host:    a name or a number; empty where none was written
    options: behind the question mark, by name
    """

    url: str
    scheme: str
    host: str
    port: int
    options: dict[str, str]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of receiver.

    what:     whom it reaches
    example:  an address that works on one machine
    open:     from the address and the frame rate to an output
    port:     where receivers listen by default
    options:  names that may stand behind the question mark
    look_for: what to see in the receiver when frames arrive, and what to check when they do not
    decode:   from a datagram to what it says; raises PacketError; None where there are no datagrams
    """

    what: str
    example: str
    open: Callable[[Target, float], Output]
    port: int = 0
    options: tuple[str, ...] = ()
    look_for: tuple[str, ...] = ()
    decode: Callable[[bytes], object] | None = None


def _udp(target: Target, encoder: Encoder) -> Output:
    address = resolve(target.host or "127.0.0.1", target.port, target.url)
    return UdpOutput(target.url, address, encoder)


def _livelink(target: Target, fps: float) -> Output:
    options = target.options
    subject, angles = options.get("subject", "voxface"), options.get("angles", "rad")
    return _udp(target, livelink.LiveLink(fps, subject, angles=angles))


def _vmc(target: Target, fps: float) -> Output:
    options = target.options
    version = {"0": 0, "1": 1}.get(options.get("version", "0"), -1)
    case = options.get("case", "pascal")
    return _udp(target, vmc.Vmc(case, _flag(target, "preset"), version))  # type: ignore[arg-type]


def _ifacialmocap(target: Target, fps: float) -> Output:
    return (
        _udp(target, ifacialmocap.IFacialMocap())
        if target.host
        else ifacialmocap.IFacialMocapServer(target.url, target.port)
    )


def _vrchat(target: Target, fps: float) -> Output:
    return _udp(target, vrchat.VrChat(target.options.get("prefix", "")))


def _jsonl(target: Target, fps: float) -> Output:
    return JsonlOutput(target.url.partition(":")[2], fps).start()


def _vts(target: Target, fps: float) -> Output:
    return vtube_studio.VTubeStudio(target.url, target.host or "127.0.0.1", target.port).start()


def _web_socket(target: Target, fps: float) -> Output:
    binary = target.url.endswith("#binary")
    return WebSocketOutput(target.url, target.host or "127.0.0.1", target.port, fps, binary=binary).start()


def _flag(target: Target, name: str) -> bool:
    value = target.options.get(name, "0")
    if value not in ("0", "1"):
        raise UsageError(f"{target.url}: {name} must be 0 or 1; got {value!r}.", source=target.url)
    return value == "1"


OUTPUTS: dict[str, Kind] = {
    "livelink": Kind(
        "Unreal Engine: Live Link, as Epic's iPhone app",
        "livelink://127.0.0.1:11111?subject=voxface",
        _livelink,
        11111,
        ("subject", "angles"),
        (
            "In Unreal, switch on the plugins Live Link and Apple ARKit Face Support; the subject then appears in "
            "the Live Link window with a green dot.",
            "A MetaHuman must be told the subject twice: in its details as ARKit Face Subj, and in its Face AnimBP.",
            "Nothing listed: allow UDP port 11111 in the firewall of Unreal's machine, and send to its own number.",
            "An old engine whose head and eyes turn far too much may want ?angles=norm180.",
        ),
        livelink.decode,
    ),
    "vmc": Kind(
        "VSeeFace, Warudo, VNyan, VMC and other hosts of VRM avatars",
        "vmc://127.0.0.1:39539",
        _vmc,
        39539,
        ("case", "preset", "version"),
        (
            "In the receiver, switch on receiving by VMC (OSC) at this port: 39539 plays an avatar, 39540 is for a "
            "program that tracks as well, such as VSeeFace.",
            "The avatar needs the 52 clips of Perfect Sync; without them add ?preset=1. Names are case-sensitive: if "
            "only the head moves, try ?case=camel.",
            "If the neck grows short, switch off the bones' positions in the receiver: an avatar's own are right.",
        ),
        vmc.decode,
    ),
    "ifacialmocap": Kind(
        "programs that take the iPhone app iFacialMocap; without a host they may ask us for frames",
        "ifacialmocap://127.0.0.1:49983",
        _ifacialmocap,
        ifacialmocap.PORT,
        (),
        (
            "The receiver must listen at UDP port 49983, as for the app.",
            "A receiver that asks a phone for frames gets this machine's number as the phone's; write "
            "ifacialmocap:// without a host then.",
        ),
        ifacialmocap.decode,
    ),
    "vts": Kind(
        "VTube Studio (Live2D)",
        "vts://127.0.0.1:8001",
        _vts,
        vtube_studio.PORT,
        (),
        (
            "In VTube Studio's settings, switch on the plugin interface; at the first time it asks whether voxface may "
            "control it: click Allow.",
            "The avatar must use VTube Studio's own parameters (MouthOpen, MouthSmile, EyeOpenLeft, FaceAngleX); its "
            "auto-setup maps them.",
        ),
    ),
    "vrchat": Kind(
        "VRChat, avatars with face tracking",
        "vrchat://127.0.0.1:9000",
        _vrchat,
        vrchat.PORT,
        ("prefix",),
        (
            "In VRChat, switch on OSC in the action menu; its debug view lists what arrives.",
            "The avatar needs parameters of face tracking; if theirs begin with FT/v2/, add ?prefix=FT.",
        ),
        vrchat.decode,
    ),
    "ws": Kind(
        "a program of your own that serves WebSockets; frames as JSON, or with #binary 236 bytes each",
        "ws://127.0.0.1:8080/faces",
        _web_socket,
        80,
        look_for=("The first message says the names of the channels; jawOpen goes up and down once per second.",),
    ),
    "wss": Kind("the same, encrypted", "wss://example.org/faces", _web_socket, 443),
    "jsonl": Kind(
        "lines of JSON to standard output (jsonl:-) or into a file",
        "jsonl:-",
        _jsonl,
        0,
        (),
        ("Each line after the first is a frame: jawOpen is in its weights at the place that names gives.",),
    ),
}
"""Every kind of output by the scheme of its address."""


def parse_target(url: str) -> Target:
    """Take an address apart, without looking anything up.

    Raises: UsageError: no such scheme, a port that is none, options that are not known.
    """
    scheme = url.partition(":")[0].lower()
    if scheme not in OUTPUTS or ":" not in url:
        examples = ", ".join(kind.example for kind in OUTPUTS.values())
        raise UsageError(f"{url!r} names no output.", hint=f"Outputs look like this: {examples}.", source=url)
    kind = OUTPUTS[scheme]
    if not url[len(scheme) :].startswith("://"):
        if scheme == "jsonl" and len(url) > len("jsonl:"):
            return Target(url, scheme, "", 0, {})
        raise UsageError(f"{url!r} is not whole.", hint=f"Write {kind.example}.", source=url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", kind.port if parts.port is None else parts.port
    except ValueError as error:
        raise UsageError(f"{url!r} is no address: {error}.", hint=f"Write {kind.example}.", source=url) from error
    if kind.open is _web_socket:  # path and question belong to the receiver
        return Target(url, scheme, host, port, {})
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = sorted(set(options) - set(kind.options))
    if unknown or parts.path.strip("/") or not port:
        known = ", ".join(kind.options) or "none"
        what = f"the option {unknown[0]!r}" if unknown else f"the path {parts.path!r}" if port else "port 0"
        raise UsageError(f"{url!r}: {scheme} has no place for {what}.", hint=f"Its options: {known}.", source=url)
    return Target(url, scheme, host, port, options)


def open_output(url: str, fps: float) -> Output:
    """Open an output by its address; whether its receiver is there does not matter.

    Raises: UsageError: the address is wrong. OutputError: its host has no number, its file or port cannot be opened.
    MissingDependencyError: the output needs a library that is not there.
    """
    target = parse_target(url)
    return OUTPUTS[target.scheme].open(target, fps)
