"""VTube Studio, the program for Live2D avatars: its plugin interface, JSON over a WebSocket (formats.md §13).

We ask once for a token, which its user allows by a click; it is kept in the user's own configuration. Then each frame
sets the parameters that VTube Studio has. Facts: the interface's public description (DenchiSoft/VTubeStudio). Not tried
on VTube Studio itself: factors and signs are ours, by what Live2D's standard parameters mean.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from voxface.errors import OutputError, PacketError
from voxface.face.axes import euler_angles
from voxface.live.frame import LiveFrame
from voxface.live.sending import Clock
from voxface.live.sums import Sums, by_name, sums
from voxface.live.web_socket import WebSocketCourier

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

PORT = 8001
PLUGIN = MappingProxyType({"pluginName": "voxface", "pluginDeveloper": "voxface"})
REFRESH_S = 0.5
"""A parameter that is not set for a second falls back; while no frames come, a face at rest is set this often."""

ANSWER_S = 5.0
_DENIED = 50  # its number for an error

PARAMETERS: Sums = MappingProxyType({
    "MouthOpen": {"jawOpen": 1.5, "mouthClose": -1.5, "mouthLowerDown": 0.4, "mouthUpperUp": 0.4},
    "MouthSmile": {"1": 0.5, "mouthSmile": 0.6, "mouthStretch": 0.3, "mouthFrown": -0.5, "mouthPucker": -0.5},
    "JawOpen": {"jawOpen": 1.0},
    "TongueOut": {"tongueOut": 1.0},
    "CheekPuff": {"cheekPuff": 1.0},
    "EyeOpenLeft": {"1": 1.0, "eyeBlinkLeft": -1.0},
    "EyeOpenRight": {"1": 1.0, "eyeBlinkRight": -1.0},
    "Brows": {"1": 0.5, "browInnerUp": 0.25, "browOuterUp": 0.25, "browDown": -0.5},
    "BrowLeftY": {"1": 0.5, "browInnerUp": 0.25, "browOuterUpLeft": 0.25, "browDownLeft": -0.5},
    "BrowRightY": {"1": 0.5, "browInnerUp": 0.25, "browOuterUpRight": 0.25, "browDownRight": -0.5},
})  # fmt: skip
"""Within 0 to 1. MouthSmile and the brows rest at 0.5, as its own tracking has them."""

SIGNED: Sums = MappingProxyType({
    "MouthX": {"mouthLeft": 1.0, "mouthRight": -1.0},
    "EyeLeftX": {"eyeLookOutLeft": 1.0, "eyeLookInLeft": -1.0},
    "EyeRightX": {"eyeLookInRight": 1.0, "eyeLookOutRight": -1.0},
    "EyeLeftY": {"eyeLookUpLeft": 1.0, "eyeLookDownLeft": -1.0},
    "EyeRightY": {"eyeLookUpRight": 1.0, "eyeLookDownRight": -1.0},
})  # fmt: skip
"""Within -1 to 1; X is positive to the subject's left, Y upwards."""

FACE_ANGLES = MappingProxyType({"FaceAngleX": 1.0, "FaceAngleY": -1.0, "FaceAngleZ": -1.0})
"""Degrees within 30: these times our yaw, pitch and roll. X is positive to the subject's left, Y upwards."""


def encode(frame: LiveFrame, known: frozenset[str] | None = None) -> dict[str, Any]:
    """The data of InjectParameterDataRequest: those parameters that VTube Studio knows; None: all."""
    weights = by_name(frame.rig_weights())
    values = sums(PARAMETERS, weights) | sums(SIGNED, weights, least=-1.0)
    if frame.head is not None:
        degrees = np.clip(np.degrees(euler_angles(frame.head[3:])) * list(FACE_ANGLES.values()), -30, 30)
        values |= dict(zip(FACE_ANGLES, degrees.tolist(), strict=True))
    wanted = [name for name in values if known is None or name in known]
    rows = [{"id": name, "value": round(values[name], 4)} for name in wanted]
    return {"faceFound": frame.seen, "mode": "set", "parameterValues": rows}


def request(kind: str, number: str, data: Mapping[str, Any]) -> str:
    """A request as text."""
    head = {"apiName": "VTubeStudioPublicAPI", "apiVersion": "1.0", "requestID": number, "messageType": kind}
    return json.dumps({**head, "data": dict(data)}, allow_nan=False)


def decode(text: str | bytes) -> tuple[str, str, dict[str, Any]]:
    """An answer -> its kind, the number of its request, its data. Raises: PacketError: it is none."""
    try:
        found = json.loads(text)
        return str(found["messageType"]), str(found["requestID"]), dict(found.get("data") or {})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise PacketError("an answer that is not VTube Studio's.") from error


def token_file() -> Path:
    """Where this user's token is kept."""
    import platformdirs

    return platformdirs.user_config_path("voxface", appauthor=False) / "vtube_studio.token"


class VTubeStudio(WebSocketCourier):
    """Sets parameters; of frames that wait only the newest counts."""

    def __init__(self, name: str, host: str, port: int, clock: Clock = time.monotonic) -> None:
        where = f"[{host}]" if ":" in host else host
        super().__init__(name, f"ws://{where}:{port}", host, port, 1, clock)

    def _talk(self, connection: ClientConnection) -> None:
        self._sign_in(connection)
        found = self._ask(connection, "InputParameterListRequest", {})
        rows = [*found.get("defaultParameters", []), *found.get("customParameters", [])]
        known = frozenset(str(row.get("name")) for row in rows)
        self._obstacle = ""
        while not self._over:
            frame = self._next(REFRESH_S)
            shown = self._last.at_rest() if frame is None else frame
            self._ask(connection, "InjectParameterDataRequest", encode(shown, known))
            self.sent += frame is not None

    def _sign_in(self, connection: ClientConnection) -> None:
        """With the token that is kept, else with a new one."""
        path = token_file()
        token = path.read_text("ascii", "replace").strip() if path.is_file() else ""
        if token and self._accepted(connection, token):
            return
        self._obstacle = "VTube Studio asks whether voxface may control it: click Allow there"
        token = str(self._ask(connection, "AuthenticationTokenRequest", PLUGIN, None).get("authenticationToken", ""))
        if not self._accepted(connection, token):
            raise OutputError("VTube Studio does not take the token that it gave.", hint="Restart it, then voxface.")
        with contextlib.suppress(OSError):  # without the file it only asks again next time
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(file, "w", encoding="ascii") as kept:
                kept.write(token)

    def _accepted(self, connection: ClientConnection, token: str) -> bool:
        data = {**PLUGIN, "authenticationToken": token}
        return self._ask(connection, "AuthenticationRequest", data).get("authenticated") is True

    def _ask(
        self, connection: ClientConnection, kind: str, data: Mapping[str, Any], timeout_s: float | None = ANSWER_S
    ) -> dict[str, Any]:
        """Send a request and wait for its answer; without a timeout, until it comes or the output is closed.

        Raises: OutputError: the user does not allow us. PacketError: another error. TimeoutError: no answer.
        """
        number = uuid.uuid4().hex
        connection.send(request(kind, number, data))
        until_s = time.monotonic() + (timeout_s or float("inf"))
        while time.monotonic() < until_s and not (timeout_s is None and self._closing):
            try:
                said, answers, values = decode(connection.recv(timeout=0.5))
            except TimeoutError:
                continue
            if answers != number:
                continue
            if said != "APIError":
                return values
            text = str(values.get("message", "an error"))[:200]
            if values.get("errorID") == _DENIED:
                raise OutputError(f"VTube Studio does not allow it: {text}", hint="Start again and click Allow.")
            raise PacketError(f"VTube Studio: {text}")
        raise TimeoutError(f"VTube Studio did not answer {kind}")
