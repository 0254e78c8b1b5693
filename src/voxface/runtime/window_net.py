"""A windowed bundle at work: features of a whole clip in, weights, angles and emotions of its frames out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from voxface.bundle import Bundle, WindowSpec
from voxface.errors import BundleError, BundleSchemaError, UsageError
from voxface.face.rig import EMOTIONS, LIVELINK_61
from voxface.runtime.net import in_our_words, open_session
from voxface.runtime.windows import Forward, ease_in, joined
from voxface.stream import Array

Piece = tuple[Array, Array]
"""(k, 61) weights (0...1) and angles (radians) in the order of LIVELINK_61; (k, 7) emotions (0...1). They are
as the net gives them: one that was trained on percent may say a little less than 0 or more than 1."""


class Windows:
    """A net on windows, and what is done with its values before anybody sees them (neurosync.md N5).

    Args:
        forward: (windows, frames, width) float32 -> (windows, frames, 68), as the net was trained.
        width: features of a frame.
        window: how the net is run.
    """

    def __init__(self, forward: Forward, width: int, window: WindowSpec) -> None:
        self.forward, self.width, self.window = forward, width, window
        self._kept = np.array([name not in window.zeroed for name in LIVELINK_61], np.float32)

    def batches(self, features: Array, *, compat: bool = False, all_channels: bool = False) -> Iterator[Piece]:
        """The frames of a clip in order, piece by piece, each as soon as nothing can change it any more.

        Args:
            features: (frames, width) float32 of the whole clip, 60 a second.
            compat: windows and units of the original: the clip's end fades to a padded window, emotions are 0...100.
            all_channels: also those that the window zeroes.
        Raises: UsageError: features of another shape, or not finite. BundleError: what the net gives is not finite.
        """
        self._check(features)
        window, first = self.window, 0
        kept = (1 if all_channels else self._kept) / np.float32(window.divide)
        emotion_unit = window.divide_emotion / (100 if compat else 1)
        for piece in joined(features, self.forward, window, compat) if len(features) else ():
            if not np.isfinite(piece).all():
                raise BundleError("the model gives NaN or infinite values.", hint="Use another model.")
            eased = ease_in(piece, first, window)
            first += len(piece)
            split = len(LIVELINK_61)
            yield eased[:, :split] * kept, eased[:, split:] / emotion_unit

    def whole(self, features: Array, *, compat: bool = False) -> Piece:
        """All frames at once: (frames, 61) and (frames, 7) float32."""
        pieces = list(self.batches(features, compat=compat))
        nothing = np.zeros((0, len(LIVELINK_61)), np.float32), np.zeros((0, len(EMOTIONS)), np.float32)
        weights, emotion = zip(*(pieces or [nothing]), strict=True)
        return np.concatenate(weights), np.concatenate(emotion)

    def _check(self, features: Array) -> None:
        if features.ndim != 2 or features.shape[1] != self.width or features.dtype != np.float32:
            raise UsageError(
                f"features must be (frames, {self.width}) float32 numbers; got {features.dtype} {features.shape}.",
                hint=f"Make them with width={self.width}.",
            )
        if not np.isfinite(features).all():
            raise UsageError("features must be finite numbers; got NaN or infinite ones.")


class WindowNet(Windows):
    """A windowed bundle on onnxruntime; it keeps nothing between calls.

    Args:
        bundle: with a window.
        threads: for one call of the net.
    Raises: BundleError: onnxruntime cannot open the model. BundleSchemaError: a streaming bundle, or the model is not
        what bundle.json says.
    """

    def __init__(self, bundle: Bundle, threads: int = 1) -> None:
        if bundle.window is None:
            raise BundleSchemaError(f"bundle {bundle.name!r} streams; it has no windows.")
        self.bundle, self._session = bundle, open_session(bundle, bundle.model_path(), threads)
        super().__init__(self._run, bundle.feature.rows, bundle.window)
        self._try()

    def _run(self, rows: Array) -> Array:
        return np.concatenate(self._session.run(["weights", "emotion"], {"rows": rows}), axis=2)

    def _try(self) -> None:
        """Two short windows give finite numbers of the right shape."""
        name = self.bundle.name
        with in_our_words(BundleSchemaError, f"the model of bundle {name!r} does not fit its bundle.json"):
            answer = self._run(np.zeros((2, min(2, self.window.frames), self.width), np.float32))
        expected = (2, min(2, self.window.frames), len(LIVELINK_61) + len(EMOTIONS))
        if answer.shape != expected:
            raise BundleSchemaError(f"the model of bundle {name!r} gives {answer.shape}; {expected} was expected.")
        if not np.isfinite(answer).all():
            raise BundleError(f"the model of bundle {name!r} gives NaN or infinite values on silence.")
