"""The family's HTTP interface as pure functions: the bytes of a request in, the bytes of its answer out.

Who may ask, and how much and how long, is the server's business (server/); it also answers the errors that are raised
here.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from voxface.audio.decode import RawFormat
from voxface.errors import AudioEmptyError, AudioFormatError, InputError
from voxface.neurosync.extract import extract_audio_features
from voxface.neurosync.numbers import frames_json
from voxface.neurosync.process import Wanted, batches
from voxface.runtime.window_net import WindowNet

MOST_SOUND_S = 1800.0
"""Longer recordings are refused."""


@dataclass(frozen=True, slots=True, eq=False)
class Talker:
    """What answers: an opened bundle, and what `extract_audio_features` and `process_audio_features` leave open."""

    face: WindowNet
    raw_pcm: RawFormat | None = None
    wanted: Wanted = field(default_factory=Wanted)

    def audio_to_blendshapes(
        self, body: bytes, content_type: str = "", check: Callable[[], None] = lambda: None
    ) -> bytes:
        """The answer to POST /audio_to_blendshapes: `{"blendshapes": [[68 numbers], ...]}`, 60 frames a second.

        Args:
            body: a sound, or the JSON `{"audio": "<base64 of a sound>"}` if the content type says JSON.
            check: called between the steps of the work; raises to end it.
        Raises: VoxfaceError: the body is no sound, or too short or too long.
        """
        sound = audio_of(body, content_type)
        feature = self.face.bundle.feature
        features = extract_audio_features(sound, feature=feature, raw_pcm=self.raw_pcm, max_duration_s=MOST_SOUND_S)
        frames = []
        check()
        for part in batches(features, self.face, self.wanted):
            frames.append(part)
            check()
        return b'{"blendshapes":' + frames_json(np.concatenate(frames)) + b"}"


def audio_of(body: bytes, content_type: str) -> bytes:
    """The sound of a request. Raises: VoxfaceError: there is none, or a form or JSON that does not hold one."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind.startswith("multipart/"):
        hint = "Send the sound itself as the body, such as curl --data-binary @speech.wav."
        raise AudioFormatError("the body is a form, not a sound.", hint=hint)
    if kind == "application/json" or kind.endswith("+json"):
        body = _audio_of_json(body)
    if not body:
        raise AudioEmptyError("the body is empty (0 bytes).", hint="Send the bytes of a sound file.")
    return body


def _audio_of_json(body: bytes) -> bytes:
    needed = 'JSON must be {"audio": "<base64 of a sound file>"}'
    try:
        value = json.loads(body)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InputError(f"the body is no JSON, as its content type says; {needed}.") from error
    text = value.get("audio") if isinstance(value, dict) else None
    if not isinstance(text, str):
        raise InputError(f"the JSON has no text named audio; {needed}.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"audio is no base64: {str(error).lower()}; {needed}.") from error
