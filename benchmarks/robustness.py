"""What noise alone and the gain of the microphone do to the face.

    python benchmarks/robustness.py [--bundle default] [--data ../shared/data]

Noise: six seconds of nothing else; mean of the opening max(lip gap, 0), and the largest jawOpen. Gain: recordings
brought to a peak of 0 dB, then scaled; mean change of the mouth channel that changes most.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile

import voxface
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT, MOUTH

NOISE_DB = (-80, -60, -50, -40, -30)
GAIN_DB = (-40, -30, -20, -10, 10, 20, 40)
RECORDINGS = ("jfk", "2412-153948-0000", "a2f_Claire_neutral", "LJ002-0020", "common_voice_en_651325", "arctic_a0009")


def noise(kind: str, level_db: float) -> np.ndarray:
    """Six seconds of white or pink noise of that RMS."""
    sound = np.random.default_rng(1).standard_normal(96_000)
    if kind == "pink":
        spectrum = np.fft.rfft(sound)
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
        sound = np.fft.irfft(spectrum, len(sound))
    return (sound / sound.std() * 10 ** (level_db / 20)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    print("| noise alone | " + " | ".join(f"{level} dB" for level in NOISE_DB) + " |")
    print("|---" * (1 + len(NOISE_DB)) + "|")
    for kind in ("white", "pink"):
        cells = []
        for level in NOISE_DB:
            clip = voxface.animate(noise(kind, level), 16_000, bundle=options.bundle)
            opening = np.maximum(rig_gap(clip.weights, clip.channels), 0).mean()
            cells.append(f"{opening:.3f}, jaw up to {clip.channel('jawOpen').max():.2f}")
        print(f"| {kind} | " + " | ".join(cells) + " |")
    mouth = [ARKIT.index(name) for name in MOUTH]
    print("\n| gain | " + " | ".join(f"{gain:+d} dB" for gain in GAIN_DB) + " |")
    print("|---" * (1 + len(GAIN_DB)) + "|")
    for name in RECORDINGS:
        sound, rate = soundfile.read(options.data / "speech" / f"{name}.flac", dtype="float32")
        sound /= np.abs(sound).max()
        plain = voxface.animate(sound, rate, bundle=options.bundle).weights[:, mouth]
        cells = []
        for gain in GAIN_DB:
            scaled = (sound * 10 ** (gain / 20)).astype(np.float32)
            moved = voxface.animate(scaled, rate, bundle=options.bundle).weights[:, mouth]
            cells.append(f"{np.abs(moved - plain).mean(axis=0).max():.3f}")
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
