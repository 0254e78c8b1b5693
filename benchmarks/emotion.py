"""How well emotions are heard: speakers never heard, against baselines; other recordings; what it costs.

    python benchmarks/emotion.py [--data ../shared/data]

The first table stands in the bundle: `voxface train --recipe emotion` left every speaker out once. The baselines are
computed here in the same way. The other recordings were never trained on.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the program does; before numpy is imported

import numpy as np

import voxface
from voxface.audio.decode import read_audio
from voxface.audio.resample import to_16k
from voxface.bundle import load_bundle
from voxface.face.gap import CLOSED_BELOW, rig_gap
from voxface.face.rig import EMOTIONS
from voxface.runtime.emotion import EMOTION_BUNDLE, EmotionTrack, open_emotion
from voxface.runtime.prosody import Prosody
from voxface.stream import run_whole
from voxface.training.emodb import Acted, acted

SAMPLE = Path(voxface.__file__).parent / "samples" / "hello.flac"


def unheard_speakers() -> None:
    """Per speaker and emotion, as stored in the bundle."""
    scores = load_bundle(EMOTION_BUNDLE).metrics["unheard_speakers"]
    print("| speaker never heard | " + " | ".join(scores["per_speaker"]) + " | all |")
    print("|---" * (len(scores["per_speaker"]) + 2) + "|")
    numbers = [*scores["per_speaker"].values(), scores["unweighted_accuracy"]]
    print("| unweighted accuracy | " + " | ".join(f"{number:.2f}" for number in numbers) + " |")
    names = list(scores["confusion"])
    print("\n| acted \\ heard | " + " | ".join(names) + " | recall |")
    print("|---" * (len(names) + 2) + "|")
    for name, taken in scores["confusion"].items():
        recall = taken[name] / sum(taken.values())
        print(f"| {name} | " + " | ".join(str(taken[other]) for other in names) + f" | {recall:.2f} |")


def prosody_statistics(samples: np.ndarray) -> np.ndarray:
    """(9,) mean, spread and liveliness of pitch, voicing and level."""
    ticks = run_whole(Prosody(), samples)
    spoken = ticks[ticks[:, 2] > ticks[:, 2].max() - 25]
    liveliness = np.abs(np.diff(spoken, axis=0)).mean(0)
    return np.concatenate([spoken.mean(0), spoken.std(0), liveliness])


def baselines(sentences: Sequence[Acted]) -> None:
    """The commonest emotion, and a ridge on pitch and loudness, each speaker left out once."""
    values = np.array([prosody_statistics(one.samples) for one in sentences])
    meant = np.array([EMOTIONS.index(one.emotion) for one in sentences])
    speaker = np.array([one.speaker for one in sentences])
    said = np.zeros_like(meant)
    for name in np.unique(speaker):
        own = speaker == name
        said[own] = ridge(values[~own], meant[~own], values[own])
    print(f"\nbaselines: commonest emotion {1 / len(np.unique(meant)):.3f}; ridge on pitch, voicing and loudness "
          f"{np.mean([(said[meant == one] == one).mean() for one in np.unique(meant)]):.3f}")  # fmt: skip


def ridge(values: np.ndarray, meant: np.ndarray, asked: np.ndarray, shrink: float = 10.0) -> np.ndarray:
    """The likeliest emotion of the asked, by least squares on standardised values, every emotion weighing the same."""
    centre, spread = values.mean(0), values.std(0)
    known, wanted = (np.c_[(part - centre) / spread, np.ones(len(part))] for part in (values, asked))
    weight = 1 / np.bincount(meant, minlength=len(EMOTIONS))[meant]
    gram = (known * weight[:, None]).T @ known * len(meant) / len(set(meant)) + shrink * np.eye(known.shape[1])
    target = (known * weight[:, None]).T @ np.eye(len(EMOTIONS))[meant] * len(meant) / len(set(meant))
    return np.argmax(wanted @ np.linalg.solve(gram, target), axis=1)


def other_recordings(paths: Sequence[Path]) -> None:
    """What is heard and what shows where the training never was."""
    print("\n| recording | heard, mean: " + " | ".join(EMOTIONS) + " | shown beside neutral: mean | most |")
    print("|---" * (len(EMOTIONS) + 3) + "|")
    for path in paths:
        sound = to_16k(*read_audio(path))
        heard = EmotionTrack(open_emotion(), as_heard=True).whole(sound).mean(0)
        shown = 1 - EmotionTrack(open_emotion()).whole(sound)[:, EMOTIONS.index("Neutral")]
        numbers = " | ".join(f"{number:.2f}" for number in heard)
        print(f"| {path.stem} | {numbers} | {shown.mean():.2f} | {shown.max():.2f} |")


def lips(paths: Sequence[Path]) -> None:
    """What expressions do to the mouth: lip gap with and without."""
    print("\n| lip gap | r with : without | closed rows | of them still closed | opened |")
    print("|---|---|---|---|---|")
    for emotion in ("as heard", "happy=0.8", "angry=0.8", "sad=0.8"):
        before, after = [], []
        for path in paths:
            wanted = {} if emotion == "as heard" else {"emotion": emotion}
            for clip, gaps in ((voxface.animate(path, emotion=None), before), (voxface.animate(path, **wanted), after)):
                gaps.append(rig_gap(clip.weights, clip.channels))
        plain, felt = np.concatenate(before), np.concatenate(after)
        closed = plain < CLOSED_BELOW
        print(f"| {emotion} | {np.corrcoef(plain, felt)[0, 1]:.4f} | {closed.sum()} | "
              f"{(felt[closed] < CLOSED_BELOW).mean():.4f} | {(felt[closed] - plain[closed]).max():.4f} |")  # fmt: skip


def cost(rounds: int = 15) -> None:
    """CPU time of 10 s with and without emotions."""
    sound = np.resize(to_16k(*read_audio(SAMPLE)), 160_000)
    for bundle in ("default", "live"):
        times: dict[str, list[float]] = {"without": [], "with": []}
        for _ in range(rounds + 1):
            for name, given in (("without", {"emotion": None}), ("with", {})):
                began = time.process_time()
                voxface.animate(sound, 16_000, bundle=bundle, threads=1, **given)  # type: ignore[arg-type]
                times[name].append(1000 * (time.process_time() - began))
        medians = {name: float(np.median(found[1:])) for name, found in times.items()}
        print(f"10 s through {bundle}: {medians['without']:.1f} ms CPU without emotion, {medians['with']:.1f} ms with")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    unheard_speakers()
    baselines(list(acted(data / "emodb")))
    other = [SAMPLE, *sorted((data / "speech").glob("*.flac"))]
    videos = [*sorted((data / "grid_dev").glob("*.mp4")), *sorted((data / "wild_dev").glob("*.mp4"))]
    other_recordings(other + videos)
    lips(videos)
    print()
    cost()


if __name__ == "__main__":
    main()
