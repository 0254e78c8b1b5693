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

from voxface.audio.resample import to_16k
from voxface.bundle import load_bundle
from voxface.evaluation.evaluate import BundlePredictor
from voxface.evaluation.resting import gain_changes, opening_over
from voxface.evaluation.sounds import at_level, pink, white

NOISE_DB = (-80, -60, -50, -40, -30)
GAIN_DB = (-40, -30, -20, -10, 10, 20, 40)


def recordings(data: Path) -> dict[str, np.ndarray]:
    """The sound of data/speech by name, mono at 16 kHz."""
    found = {}
    for path in sorted((data / "speech").glob("*.flac")):
        sound, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        found[path.stem] = to_16k(sound.mean(axis=1), rate_hz)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    options = parser.parse_args()
    predictor = BundlePredictor(load_bundle(options.bundle))
    print("| noise alone | " + " | ".join(f"{level} dB" for level in NOISE_DB) + " |")
    print("|---" * (1 + len(NOISE_DB)) + "|")
    for name, kind in (("white", white), ("pink", pink)):
        noise = kind(96_000, np.random.default_rng(1))
        found = [opening_over(predictor, at_level(noise, level)) for level in NOISE_DB]
        print(f"| {name} | " + " | ".join(f"{one.mean:.3f}, jaw up to {one.jaw:.2f}" for one in found) + " |")
    print("\n| gain | " + " | ".join(f"{gain:+d} dB" for gain in GAIN_DB) + " |")
    print("|---" * (1 + len(GAIN_DB)) + "|")
    for name, sound in recordings(options.data).items():
        changes = gain_changes(predictor, sound, GAIN_DB)
        print(f"| {name} | " + " | ".join(f"{changes[gain]:.3f}" for gain in GAIN_DB) + " |")


if __name__ == "__main__":
    main()
