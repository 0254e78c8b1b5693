"""Every mark that a default bundle has to meet, as it is: mean ± standard error over clips, met or missed.

    python benchmarks/quality.py [--bundle default] [--live live] [--data ../shared/data] [--work work/datasets]

Quality is that of --bundle; speed that of both. A dataset or bundle that is not there gives a dash. Closures, lags and
noise are as in `voxface evaluate`; speed is the median wall time of warm calls, so it wants an idle machine.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the program does; before numpy is imported

import voxface
from animate import measure, step_times, ten_seconds
from robustness import recordings
from voxface.bundle import load_bundle, shipped_bundles
from voxface.dataset.dataset import load_dataset
from voxface.dataset.recording import Recording
from voxface.evaluation.degrade import NOISES, conditions
from voxface.evaluation.evaluate import BundlePredictor
from voxface.evaluation.metrics import Mean
from voxface.evaluation.predictor import Predictor
from voxface.evaluation.resting import MOST_CHANGE, MOST_OPENING, gain_changes, resting
from voxface.evaluation.robust import judge_under
from voxface.evaluation.scores import Scores, gather, score_clip
from voxface.evaluation.text import markdown_table, mean_text


@dataclass(frozen=True, slots=True)
class Mark:
    """One line: what is measured, the mark, which way is good, what was found (value None: it could not be), a note."""

    test: str
    mark: float
    more: bool
    found: Mean
    unit: str = ""
    note: str = ""

    def cells(self) -> list[str]:
        """Test, mark, number, verdict."""
        sign = "≥" if self.more else "≤"
        value = self.found.value
        if value is None:
            return [self.test, f"{sign} {self.mark:g}{self.unit}", "–", "not measured"]
        met = value >= self.mark if self.more else value <= self.mark
        number = mean_text(self.found, 1 if self.unit else 3)
        return [
            self.test,
            f"{sign} {self.mark:g}{self.unit}",
            number + self.unit + self.note,
            "met" if met else "**missed**",
        ]


UNKNOWN = Mean(None, None, 0)


def group(work: Path, name: str, split: str) -> list[Recording]:
    """The recordings of a split of a dataset; none where it was not built."""
    return load_dataset(work / name).recordings(split) if (work / name / "manifest.json").is_file() else []


def scores(predictor: Predictor, clips: Sequence[Recording]) -> Scores | None:
    """The numbers on clean sound."""
    return gather("", [score_clip(one, predictor.predict(one.samples)) for one in clips]) if clips else None


def faces(predictor: Predictor, work: Path) -> Iterator[Mark]:
    """Lip gap on captured faces."""
    for name, what, marks, aligned in (
        ("grid_dev", "`grid_dev` (unseen people)", (0.83, 0.80), False),
        ("grid_s1", "held-out s1 clips", (0.93, 0.90), False),
        ("wild_dev", "`wild_dev` at each clip's best lag", (0.45, 0.50), True),
    ):
        found = scores(predictor, group(work, name, "test"))
        whole = (found.aligned_r if aligned else found.r) if found else UNKNOWN
        speech = (found.aligned_speech_r if aligned else found.speech_r) if found else UNKNOWN
        yield Mark(f"{what}, lip-gap r all", marks[0], True, whole)
        yield Mark(f"{what}, lip-gap r speech", marks[1], True, speech)


def machine(predictor: Predictor, work: Path) -> Iterator[Mark]:
    """Jaw and closures of a synthetic voice that was never heard, clean and in noise; others talk in the babble."""
    clips = group(work, "ked", "test")
    found = scores(predictor, clips)
    lips = found.closures if found else None
    yield Mark("synthetic `ked`, jaw r", 0.90, True, found.jaw_r if found else UNKNOWN)
    yield Mark("synthetic `ked`, closure recall", 0.85, True, lips.recall if lips else UNKNOWN)
    yield Mark("synthetic `ked`, false closures", 0.05, False, lips.false_rate if lips else UNKNOWN)
    yield Mark("synthetic `ked`, closure AUC", 0.96, True, lips.auc if lips else UNKNOWN)
    voices = [one.samples for name in ("grid_dev", "wild_dev", "ru") for one in group(work, name, "test")]
    for condition in conditions(voices):
        if condition.name in NOISES:
            noisy = judge_under(clips, [predictor], condition, {})[0] if clips and voices else None
            yield Mark(f"`ked`, {condition.name}, jaw r", 0.83, True, noisy.jaw_r if noisy else UNKNOWN)
            recall = noisy.closures.recall if noisy else UNKNOWN
            yield Mark(f"`ked`, {condition.name}, closure recall", 0.70, True, recall)


def rest(predictor: Predictor, data: Path) -> Iterator[Mark]:
    """The opening where nobody speaks, and what the gain of the microphone changes."""
    found = resting([predictor])[0]
    yield Mark("silence, mean of max(rig gap, 0)", MOST_OPENING, False, Mean(found.openings["silence"].mean, None, 1))
    yield Mark("room noise, the worst of white, pink, hum", MOST_OPENING, False, Mean(found.worst_room, None, 1))
    changes = [max(gain_changes(predictor, sound).values()) for sound in recordings(data).values()]
    yield Mark("gain −30 to 0 dB, mouth channel that changes most", MOST_CHANGE, False, Mean.of(changes))


def speed(bundle: str, live: str) -> Iterator[Mark]:
    """10 s of 16 kHz WAV as a clip, warm; one live step of 10 ms."""
    with tempfile.TemporaryDirectory() as folder:
        sound = ten_seconds(16_000, Path(folder))
        for name, what, most in ((bundle, "`default`", 40.0), (live, "`live`", 20.0)):
            there = name in shipped_bundles() or Path(name).is_dir()
            cpu, wall = measure(partial(voxface.animate, sound, bundle=name), 15) if there else (None, None)
            yield Mark(f"10 s warm, {what}", most, False, Mean(wall, None, 15), " ms", f" (CPU {cpu or 0:.1f} ms)")
    cpu, wall = ([times[-len(times) // 100] for times in step_times(live)]) if there else (None, None)
    yield Mark("`live` step p99", 2.0, False, Mean(wall, None, 1), " ms", f" (CPU {cpu or 0:.2f} ms)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", default="default")
    parser.add_argument("--live", default="live")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("work/datasets"))
    options = parser.parse_args()
    predictor = BundlePredictor(load_bundle(options.bundle))
    parts = (
        faces(predictor, options.work),
        machine(predictor, options.work),
        rest(predictor, options.data),
        speed(options.bundle, options.live),
    )
    lines = [mark.cells() for part in parts for mark in part]
    print(f"{predictor.name}; ± is the standard error over clips (closures: a jackknife)\n")
    print(markdown_table(("test", "mark", "measured", ""), lines))


if __name__ == "__main__":
    main()
