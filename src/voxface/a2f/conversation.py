"""What is said on one stream: header, sound, end; nothing in here knows of gRPC."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from voxface.a2f.emotions import THEIRS, Track
from voxface.a2f.messages import (
    AGGREGATE,
    END_OF_A2F_AUDIO_PROCESSING,
    ERROR,
    SUCCESS,
    AnimationDataStream,
    EmotionAggregate,
)
from voxface.a2f.shapes import NAMES, Shaping
from voxface.errors import AudioEmptyError, AudioFormatError, LimitError, MessageOrderError, PacketError, VoxfaceError
from voxface.face.clip import FaceClip
from voxface.face.rig import EMOTIONS
from voxface.live.wire import samples_of
from voxface.runtime.animator import Animator
from voxface.runtime.session import Session
from voxface.stream import Array
from voxface.timebase import frame_time_s

FPS = 30
MOST_MESSAGE_S, MOST_SOUND_S = 10.0, 1800.0
"""Sound in one message, and in one stream."""

_STEP_S = 1.0  # worked on at a time: what a long message holds goes out as it is computed


class Conversation:
    """One sound and its face; a caller's part in, our parts out.

    Args:
        animator: the opened bundle; many conversations may share one.
    """

    def __init__(self, animator: Animator) -> None:
        self._animator = animator
        self._session: Session | None = None
        self._sound = bytearray()  # what was heard and not yet sent back with its frame
        self._heard = 0  # samples
        self.frames = 0  # that were made
        self.ended = False

    def take(self, part: Any) -> Iterator[list[Any]]:
        """An AudioStream -> AnimationDataStreams, some at a time.

        Raises: VoxfaceError: not now, or nothing that can be used; the conversation is over.
        """
        kind = part.WhichOneof("stream_part")
        if kind == "audio_stream_header":
            yield [self._begin(part.audio_stream_header)]
        elif self._session is None:
            raise MessageOrderError("the first message of a stream is an AudioStreamHeader.")
        elif kind == "audio_with_emotion":
            yield from self._hear(part.audio_with_emotion)
        elif kind == "end_of_audio":
            yield self._end(self._session)
        else:
            raise PacketError("a message has no part that is known.", hint="Send sound, or EndOfAudio.")

    def _begin(self, header: Any) -> Any:
        if self._session:
            raise MessageOrderError("a second AudioStreamHeader came.", hint="Open a stream for every sound.")
        audio, shapes, emotions = (
            header.audio_header, header.blendshape_params, header.emotion_post_processing_params,
        )  # fmt: skip
        if (audio.audio_format, audio.channel_count, audio.bits_per_sample) != (0, 1, 16):
            raise AudioFormatError(
                f"sound must be PCM, one channel, 16 bits a sample; got format {audio.audio_format}, "
                f"{audio.channel_count} channels, {audio.bits_per_sample} bits."
            )
        self._rate_hz = audio.samples_per_second
        self._shaping = Shaping.of(
            shapes.bs_weight_multipliers, shapes.bs_weight_offsets, shapes.enable_clamping_bs_weight
        )
        self._track = Track(
            _sent(emotions, "preferred_emotion_strength", 1.0), _sent(emotions, "emotion_strength", 1.0),
            _sent(emotions, "enable_preferred_emotion", True),
        )  # fmt: skip
        self._session = self._opened()
        self._state = self._session.start()
        head = {
            "audio_header": audio_header(self._rate_hz),
            "skel_animation_header": {"blend_shapes": NAMES},
            "start_time_code_since_epoch": time.time(),
        }
        return AnimationDataStream(animation_data_stream_header=head)

    def _opened(self) -> Session:
        """A session with the emotions so far. Its state is a value, which the next one takes over."""
        return Session(self._animator, self._rate_hz, FPS, feeling=self._track.feeling())

    def _hear(self, part: Any) -> Iterator[list[Any]]:
        samples = samples_of(part.audio_buffer, "s16le")
        self._check_length(len(samples))
        for key in part.emotions:
            self._track.add(key.time_code, key.emotion)
        session = self._session = self._opened() if part.emotions else self._session
        assert session is not None
        self._heard += len(samples)
        self._sound += part.audio_buffer
        step = max(1, int(_STEP_S * self._rate_hz))
        for at in range(0, len(samples), step):
            self._state, clip = session.step(self._state, samples[at : at + step])
            yield self._frames(clip)

    def _check_length(self, samples: int) -> None:
        together = self._heard + samples
        for what, count, most_s in (("message", samples, MOST_MESSAGE_S), ("stream", together, MOST_SOUND_S)):
            if count > most_s * self._rate_hz:
                raise LimitError(f"a {what} may hold {most_s:g} s of sound; got {count / self._rate_hz:.1f} s.")

    def _end(self, session: Session) -> list[Any]:
        if not self._heard:
            raise AudioEmptyError("the stream ended without sound.")
        frames = self._frames(session.finish(self._state))
        self.ended = True
        over = AnimationDataStream(event={"event_type": END_OF_A2F_AUDIO_PROCESSING})
        return [*frames, over, AnimationDataStream(status={"code": SUCCESS, "message": f"{self.frames} frames."})]

    def _frames(self, clip: FaceClip) -> list[Any]:
        assert clip.emotion is not None
        weights = self._shaping(clip.weights)
        return [self._frame(*both) for both in zip(weights, clip.emotion, strict=True)]

    def _frame(self, weights: Array, emotion: Array) -> Any:
        """A frame, with the sound up to the next one."""
        time_s = frame_time_s(self.frames, FPS)
        begin, end = (frame * self._rate_hz // FPS for frame in (self.frames, self.frames + 1))
        sound = bytes(self._sound[: 2 * (end - begin)])
        del self._sound[: len(sound)]
        self.frames += 1
        return AnimationDataStream(
            animation_data={
                "skel_animation": {"blend_shape_weights": [{"time_code": time_s, "values": weights}]},
                "audio": {"time_code": time_s, "audio_buffer": sound},
                "metadata": {"emotion_aggregate": {"type_url": AGGREGATE, "value": _shown(time_s, emotion)}},
            }
        )


def audio_header(rate_hz: int) -> dict[str, int]:
    """The one kind of sound that is taken, and sent back."""
    return {"audio_format": 0, "channel_count": 1, "samples_per_second": rate_hz, "bits_per_sample": 16}


def failure(error: VoxfaceError) -> Any:
    """The status that ends a stream which cannot go on."""
    return AnimationDataStream(status={"code": ERROR, "message": f"{error.code}: {error}"})


def _shown(time_s: float, emotion: Array) -> bytes:
    values = {THEIRS[name]: float(value) for name, value in zip(EMOTIONS, emotion, strict=True) if name in THEIRS}
    found: bytes = EmotionAggregate(a2f_smoothed_output=[{"time_code": time_s, "emotion": values}]).SerializeToString()
    return found


def _sent(message: Any, field: str, otherwise: Any) -> Any:
    """An optional field; not sent means voxface's own default, not NVIDIA's."""
    return getattr(message, field) if message.HasField(field) else otherwise
