"""How well voice activity tells phrases from pauses, against the word times of GRID.

    python benchmarks/voice.py [--data ../shared/data] [--clips 50]

Prints the share of rows called speech (before the hold) inside words and outside them, for floors that begin and rise
in different ways, on the recordings as they are, 30 dB softer, and with noise.
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import numpy as np

from voxface.audio.container import audio_blocks
from voxface.audio.features import audio_rows

FLOORS = {"-60 dB, 1 dB/s": (1.0, -60.0), "first row, 1 dB/s": (1.0, None), "first row, 3 dB/s": (3.0, None),
          "first row, 6 dB/s": (6.0, None)}  # fmt: skip


def voiced(level: np.ndarray, rise_db_s: float, start_db: float | None) -> np.ndarray:
    """(rows,) bool: at least 12 dB over the running floor."""
    rise = rise_db_s / 100 * np.arange(1, len(level) + 1)
    floor = np.minimum(np.minimum.accumulate(level - rise), level[0] if start_db is None else start_db) + rise
    return level - floor >= 12


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--clips", type=int, default=50)
    options = parser.parse_args()
    words = defaultdict(list)
    with (options.data / "grid_words.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["word"] not in ("sil", "sp"):
                words[row["clip"]].append((float(row["start_s"]), float(row["end_s"])))
    random = np.random.default_rng(0)
    totals: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for path in sorted((options.data / "grid_s1").glob("*.mp4"))[: options.clips]:
        sound = np.concatenate(list(audio_blocks(path))).mean(axis=1)
        conditions = {"as it is": sound, "-30 dB": sound * 10**-1.5}
        for noise_db in (-45, -35):
            noise = 10 ** (noise_db / 20) * random.standard_normal(len(sound))
            conditions[f"noise at {noise_db} dB"] = sound + noise
        for condition, samples in conditions.items():
            level = 20 * np.log10(np.maximum(audio_rows(samples.astype(np.float32)).rms, 1e-4))
            times = np.arange(len(level)) / 100
            inside = np.zeros(len(level), bool)
            for start, end in words[path.stem]:
                inside |= (times >= start) & (times < end)
            for floor, (rise, start_db) in FLOORS.items():
                found = voiced(level, rise, start_db)
                totals[floor, condition].append((found[inside].mean(), found[~inside].mean()))
    conditions = list(dict.fromkeys(condition for _, condition in totals))
    print("| floor begins at, rises by | " + " | ".join(f"{name}: in words / outside" for name in conditions) + " |")
    print("|---" * (1 + len(conditions)) + "|")
    for floor in FLOORS:
        shares = [np.mean(totals[floor, condition], axis=0) for condition in conditions]
        print(f"| {floor} | " + " | ".join(f"{hit:.2f} / {false:.2f}" for hit, false in shares) + " |")


if __name__ == "__main__":
    main()
