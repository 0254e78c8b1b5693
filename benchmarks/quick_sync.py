"""Fits the table of dataset/quick_sync.py and measures how often its hint is right.

    python benchmarks/quick_sync.py DATASET

Fits on the split "train" of a dataset whose faces are in sync, and tries pieces of 6, 9 and 15 s, joined from its
other recordings: as they are (a hint is a false alarm), with the face moved by 120 ms (the hint must say so to within
a frame of 40 ms), and with the sound of other clips (r must be low). The shipped table comes from grid_s1.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from voxface.audio.features import FeatureSpec
from voxface.dataset import quick_sync
from voxface.dataset.dataset import Dataset, load_dataset
from voxface.dataset.recording import Recording
from voxface.dataset.sync import SyncRows
from voxface.stream import Array, run_whole

_RIDGE = 0.1  # in units of the variance of a feature
_FRAME_MS = 40.0


def rows_of(recording: Recording) -> SyncRows:
    """What the hint looks at."""
    return SyncRows(run_whole(FeatureSpec().extractor(), recording.samples), recording.gap, recording.valid)


def fit(parts: Sequence[SyncRows]) -> Array:
    """(3, 10) weights per dB: ridge from the ten bands to the lip gap, in units of its 95th percentile."""
    x = np.concatenate([quick_sync.bands(part.mel)[part.valid] for part in parts])
    y = np.concatenate([part.gap[part.valid] / np.percentile(part.gap[part.valid], 95) for part in parts])
    spread = x.std(axis=0)
    z = (x - x.mean(axis=0)) / spread
    weights = np.linalg.solve(z.T @ z / len(z) + _RIDGE * np.eye(z.shape[1]), z.T @ (y - y.mean()) / len(z))
    return (weights / spread).reshape(3, -1)


def joined(parts: Sequence[SyncRows], late_rows: int = 0) -> SyncRows:
    """The rows with a face, one recording after the other, the face later by some rows."""
    mel, gap = (np.concatenate([getattr(part, name)[part.valid] for part in parts]) for name in ("mel", "gap"))
    return SyncRows(mel, np.roll(gap, late_rows), np.ones(len(gap), bool))


def dubbed(parts: Sequence[SyncRows], sound: Array) -> SyncRows:
    """The faces of some recordings, with a stretch of another's sound."""
    whole = joined(parts)
    return SyncRows(sound[: len(whole.gap)], whole.gap, whole.valid)


def trial(held: Sequence[SyncRows], clips: int, tries: int) -> str:
    """One line: false alarms, hits and r for pieces of so many clips."""
    rng = np.random.default_rng(clips)
    alarms, hits, true_r, other_r = 0, 0, [], []
    for _ in range(tries):
        chosen = [held[i] for i in rng.choice(len(held), clips, replace=False)]
        others = np.concatenate([held[i].mel for i in rng.choice(len(held), clips + 1, replace=False)])
        plain = quick_sync.quick_sync(joined(chosen))
        late = quick_sync.quick_sync(joined(chosen, 12))
        fake = quick_sync.quick_sync(dubbed(chosen, np.roll(others, rng.integers(100, 200), axis=0)))
        if not (plain and late and fake):
            raise SystemExit("the recordings are too short to be joined to five seconds")
        alarms += plain.hint_ms is not None
        hits += late.hint_ms is not None and abs(late.hint_ms - 120) <= _FRAME_MS
        true_r.append(plain.best_r)
        other_r.append(fake.best_r)
    true, other = np.percentile(true_r, [1, 50]), np.percentile(other_r, [50, 95])
    return (
        f"| {len(joined(chosen).gap) / 100:.0f} s | {alarms / tries:.1%} | {hits / tries:.1%} | "
        f"{true[0]:.2f} / {true[1]:.2f} | {other[0]:.2f} / {other[1]:.2f} |"
    )


def held_out(dataset: Dataset) -> list[SyncRows]:
    """The recordings that the table was not fitted on."""
    return [rows_of(one) for name in ("validate", "test") for one in dataset.each(name)]


def main() -> None:
    """Print the table as it stands in the code, in thousandths, and what the shipped one does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--tries", type=int, default=300)
    arguments = parser.parse_args()
    dataset = load_dataset(arguments.dataset)
    table = fit([rows_of(recording) for recording in dataset.recordings("train")[::3]])
    print("table, thousandths per dB:", np.round(1000 * table, 1).tolist())
    print("\n| piece | false alarms | 120 ms found | r as it is, 1 % / median | r dubbed, median / 95 % |")
    print("|---|---|---|---|---|")
    held = held_out(dataset)
    for clips in (2, 3, 4, 6, 10):
        print(trial(held, clips, arguments.tries), flush=True)


if __name__ == "__main__":
    main()
