"""System B's features the straightforward way, librosa and numpy.correlate: what ours are held against.

Written from the facts that are known of the family (neurosync.md N4), for the tests and for benchmarks/neurosync.py.
"""

from __future__ import annotations

import numpy as np

from voxface.audio.features import FeatureSpec


def recipe(spec: FeatureSpec, sound: np.ndarray) -> np.ndarray:
    """The rows (frames, width) of (n,) float32 samples at 88.2 kHz; silence and clips below 83 ms are not for it."""
    import librosa

    sound = sound * (10 ** (-3 / 20) / np.percentile(abs(sound), 95) if spec.rows == 79 else 1 / abs(sound).max())
    count = {78: 26, 79: 26, 69: 23, 256: 23}[spec.rows] + (spec.kind == "mfcc-drop-c0")
    mfcc = librosa.feature.mfcc(y=sound, sr=88_200, n_mfcc=count, n_fft=1470, hop_length=735)
    mfcc = (mfcc - mfcc.mean(axis=1, keepdims=True)) / (mfcc.std(axis=1, keepdims=True) + 1e-10)
    mfcc = mfcc[1:] if spec.kind == "mfcc-drop-c0" else mfcc
    columns = [mfcc, librosa.feature.delta(mfcc), librosa.feature.delta(mfcc, order=2)]
    if spec.rows == 79:
        rates = librosa.feature.zero_crossing_rate(sound, frame_length=1470, hop_length=735)
        rates[0, 0] = rates[0, 0] or rates[0, 1:3].mean()
        rates[0, -1] = rates[0, -1] or rates[0, -3:-1].mean()
        columns.append(rates)
    if spec.rows == 256:
        columns.append(correlations(sound, range(187) if spec.kind == "mfcc-lag0" else range(1, 188)))
    table = np.concatenate(columns)
    return np.stack([table[:, at : at + 2].mean(axis=1) for at in range(0, table.shape[1], 2)])


def correlations(sound: np.ndarray, lags: range) -> np.ndarray:
    """(lags, columns): each window of 1470 samples with itself, over lag 0."""
    padded, columns = np.pad(sound, 735, mode="reflect"), []
    for at in range(0, len(sound) + 1, 735):
        window = padded[at : at + 1470]
        window = (window - window.mean()) * np.hanning(1470)
        whole = np.correlate(window, window, mode="full")[1469:]
        columns.append((whole / (whole[0] or 1))[lags.start : lags.stop])
    for end, inner in ((0, 1), (-1, -2)):
        if (abs(columns[end]) < 1e-7).all():
            columns[end] = columns[inner]
    return np.stack(columns, axis=1)
