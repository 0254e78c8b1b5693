"""The audio JSON of SPEC C2: the features of a recording, for programs that read JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from voxface.audio.features import audio_rows
from voxface.files import atomic_write
from voxface.stream import Array
from voxface.timebase import ROW_RATE_HZ, SAMPLE_RATE_HZ, row_time_s

_DIGITS = 6  # after the point: below the noise of 16-bit sound in every field


def audio_json(samples: Array) -> dict[str, Any]:
    """The content of the audio JSON.

    Args:
        samples: (n,) float32 mono at 16 kHz.
    Returns: sample_rate in Hz, mel_frame_rate in rows per second, n_frames, timestamps in seconds, mel_features in dB,
        voice_activity, zero_crossing_rate and rms_energy in [0, 1]; one entry per row.
    """
    rows = audio_rows(samples)
    count = len(rows.mel_db)
    return {
        "sample_rate": SAMPLE_RATE_HZ,
        "mel_frame_rate": ROW_RATE_HZ,
        "n_frames": count,
        "timestamps": [row_time_s(row) for row in range(count)],
        "mel_features": _numbers(rows.mel_db),
        "voice_activity": _numbers(rows.vad),
        "zero_crossing_rate": _numbers(rows.zcr),
        "rms_energy": _numbers(rows.rms),
    }


def write_audio_json(path: str | Path, samples: Array) -> None:
    """Write the audio JSON of (n,) float32 mono samples at 16 kHz; the same samples give the same bytes.

    Raises: OutputError, LimitError: the place cannot be written.
    """
    with atomic_write(path, "w") as file:
        json.dump(audio_json(samples), file, allow_nan=False, separators=(",", ":"))
        file.write("\n")


def _numbers(values: Array) -> Any:
    return np.round(values.astype(np.float64), _DIGITS).tolist()
