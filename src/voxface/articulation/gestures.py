"""Hard gestures: movements that reach their goal whatever stands around them (p b m f v).

Between vowels the lips of p b m meet fully even in fast speech, while jaw and tongue give way (A. Löfqvist, V. L.
Gracco, "Lip and jaw kinematics in bilabial stop consonant production", J. Speech Lang. Hear. Res. 40 (1997)); the lips
are on their way for some 60 ms before the sound stops. An average of targets cannot say this, so it is said here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voxface.articulation.channels import places
from voxface.articulation.phones import Phone
from voxface.articulation.table import Gesture
from voxface.face.rig import ARKIT
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ

_JAW, _CLOSE = ARKIT.index("jawOpen"), ARKIT.index("mouthClose")


def apply_gestures(face: Array, gestures: Sequence[Gesture], reached: Array) -> None:
    """Bend curves in place: (rows, 52), with (gestures, rows) envelopes."""
    closed = np.zeros(len(face))
    for gesture, share in zip(gestures, reached, strict=True):
        for channel, taken in gesture.takes.items():
            face[:, places(channel)] *= (1 - taken * share)[:, None]
        for channel, amount in gesture.adds.items():
            face[:, places(channel)] += (amount * share)[:, None]
        closed = np.maximum(closed, gesture.close * share)
    face[:, _CLOSE] = closed * np.clip(face[:, _JAW], 0, 1)


def envelopes(gestures: Sequence[Gesture], phones: Sequence[Phone], rows: int) -> Array:
    """(gestures, rows) float64: how far each gesture is reached, see `envelope`."""
    return np.array([envelope(gesture, phones, rows) for gesture in gestures]).reshape(len(gestures), rows)


def envelope(gesture: Gesture, phones: Sequence[Phone], rows: int) -> Array:
    """(rows,) float64: 0 far from the gesture, 1 while it is held, raised cosines between. Of two, the greater."""
    reached = np.zeros(rows)
    for phone in phones:
        if phone.symbol in gesture.hold:
            held = max(gesture.hold[phone.symbol] * (phone.end_s - phone.start_s), gesture.min_hold)
            first = max(int(np.floor((phone.start_s - gesture.attack) * ROW_RATE_HZ)), 0)
            last = min(int(np.ceil((phone.start_s + held + gesture.release) * ROW_RATE_HZ)) + 1, rows)
            if first < last:
                times = np.arange(first, last) / ROW_RATE_HZ
                way = np.maximum(
                    (phone.start_s - times) / gesture.attack, (times - phone.start_s - held) / gesture.release
                )
                rise = 0.5 + 0.5 * np.cos(np.pi * np.clip(way, 0, 1))
                reached[first:last] = np.maximum(reached[first:last], rise)
    return reached
