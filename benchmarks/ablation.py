"""What each part of a net, or of the joint recipe, brings: small nets, the same split and seeds, one change at a time.

    python benchmarks/ablation.py [name ...] --sets work/datasets -o work/ablation [--table nets|joint] [--seeds 1 2]

Prints a Markdown table: lip-gap r, all rows / rows with speech, on held-out clips of the training man, on people
never heard (each at its own best lag within 200 ms too), and jaw r and closure AUC on a synthetic voice never heard;
differences from the first row of the table clip by clip; what a net costs. Each run leaves `scores.json` in its folder
and is done then: the whole can be stopped and started again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from voxface.audio.features import FeatureSpec
from voxface.audio.level import LevelSpec
from voxface.bundle import Bundle
from voxface.dataset.dataset import load_dataset
from voxface.dataset.recording import Recording
from voxface.evaluation.baselines import fit_log_energy, fit_mean_face
from voxface.evaluation.evaluate import BundlePredictor, compare
from voxface.evaluation.metrics import Mean
from voxface.evaluation.predictor import Predictor
from voxface.evaluation.scores import Scores
from voxface.models.registry import MODELS
from voxface.runtime.animator import Animator
from voxface.stream import run_whole
from voxface.training.export import export_bundle
from voxface.training.gather import Gathered, gather
from voxface.training.loop import train, use_threads
from voxface.training.recipes import Recipe, first, joint, with_features, with_model

GROUPS = ("grid_s1", "grid_dev", "wild_dev", "ked")
UNHEARD = ("grid_dev", "wild_dev")
WIDTH = 128

Change = Callable[[Recipe], Recipe]


def shaped(**changes: Any) -> Change:
    """Another shape of the same net."""
    return lambda recipe: replace(recipe, config=replace(recipe.config, **changes))


def net(model: str, **own: Any) -> Change:
    """Another net of models.registry, with all that it shares with the recipe's."""
    return lambda recipe: shaped(**own)(with_model(recipe, model))


def real_only(recipe: Recipe) -> Recipe:
    """All crops from the captured man; there is one head that learns."""
    return replace(recipe, synthetic_crops=0, phone_weight=0.0, captured_share=1.0, closing=0.0)


def synthetic_only(recipe: Recipe) -> Recipe:
    return replace(recipe, synthetic_crops=recipe.batch, captured_share=0.0)


def net_base(steps: int) -> Recipe:
    """One head, one man: the recipe `first` behind the level control that ships, on every fourth row."""
    recipe = replace(first(), feature=FeatureSpec(level=LevelSpec(free_db=6.0)), every=4, crop_rows=256)
    recipe = replace(recipe, steps=steps, validate_every=steps, precision="auto")
    return shaped(width=WIDTH, look_ahead_rows=10)(recipe)


def joint_base(steps: int) -> Recipe:
    """The joint recipe with a small net and few steps."""
    return shaped(width=WIDTH)(replace(joint(), steps=steps, validate_every=steps))


NETS: Mapping[str, Change] = {
    "residual (base)": lambda r: r,
    "plain": shaped(residual=False),
    "hybrid, every 4th row": net("tcn_attention", stride=4),
    "multi-scale": net("tcn_multiscale"),
    "83 inputs": lambda r: with_features(r, 83),
    "look-ahead 0": shaped(look_ahead_rows=0),
    "look-ahead 5": shaped(look_ahead_rows=5),
    "look-ahead 20": shaped(look_ahead_rows=20),
    "look-ahead 31": shaped(look_ahead_rows=31),
    "hybrid, every row": net("tcn_attention", stride=1),
}
"""Changes of the net: 63 rows, 80 inputs, look-ahead 10 rows where not said otherwise."""

JOINT: Mapping[str, Change] = {
    "joint (base)": lambda r: r,
    "real only": real_only,
    "synthetic only": synthetic_only,
    "synthetic, then real": real_only,
    "no phones of the real man": lambda r: r,
    "no phone head": lambda r: replace(r, phone_weight=0.0, closing=0.0),
    "trunk gradient 0.2": shaped(trunk_gradient=0.2),
    "trunk gradient 1": shaped(trunk_gradient=1.0),
    "no augmentation but gain": lambda r: replace(r, augment=replace(r.augment, plain_share=1.0, speed=0.0)),
    "all crops augmented": lambda r: replace(r, augment=replace(r.augment, plain_share=0.0)),
    "level control everywhere": lambda r: replace(r, feature=replace(r.feature, level=LevelSpec())),
    "look-ahead 0": shaped(look_ahead_rows=0),
    "look-ahead 6": shaped(look_ahead_rows=6),
    "look-ahead 31": shaped(look_ahead_rows=31),
    "captured share 0.5": lambda r: replace(r, captured_share=0.5),
    "captured share 1": lambda r: replace(r, captured_share=1.0),
    "no closing": lambda r: replace(r, closing=0.0),
    "hybrid, every 4th row": net("tcn_attention", stride=4),
    "multi-scale": net("tcn_multiscale"),
    "83 inputs": lambda r: with_features(r, 83),
}
"""What is changed, by name. Changes of how heads are combined train the base net again: it is the same net."""

TABLES: Mapping[str, tuple[Mapping[str, Change], Callable[[int], Recipe]]] = {
    "nets": (NETS, net_base),
    "joint": (JOINT, joint_base),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where things are: datasets, this table's runs; and how long each is."""

    sets: Path
    output: Path
    table: str
    steps: int

    def folder(self, name: str, seed: int) -> Path:
        return self.output / self.table / f"{name.replace(' ', '_').replace(',', '')}-seed{seed}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--table", choices=TABLES, default="nets")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    use_threads(1)
    place = Place(options.sets, options.output, options.table, options.steps)
    names = options.names or list(TABLES[place.table][0])
    groups = {name: load_dataset(place.sets / name).recordings("test") for name in GROUPS}
    for seed in options.seeds:
        for name in names:
            if not (place.folder(name, seed) / "scores.json").exists():
                judge(place, name, seed, groups)
                print(f"{name}, seed {seed}: done", file=sys.stderr, flush=True)
    print(f"{place.steps} steps, width {WIDTH}, seeds {options.seeds}\n\n{table(place, names, options.seeds)}")
    print("\n".join(baselines(place, groups)))


def judge(place: Place, name: str, seed: int, groups: Mapping[str, list[Recording]]) -> None:
    """Train one net, run what ships on every group, and leave scores.json."""
    bundle = run(place, name, seed)
    numbers = scores([BundlePredictor(bundle)], groups)[0] | cost(bundle, groups["wild_dev"][0])
    (place.folder(name, seed) / "scores.json").write_text(json.dumps(numbers, indent=1))


def run(place: Place, name: str, seed: int) -> Bundle:
    """Train a variant, or go on with the run that is there, and export it."""
    variants, base = TABLES[place.table]
    recipe = replace(variants[name](base(place.steps)), seed=seed)
    folder, start = place.folder(name, seed), None
    if name == "synthetic, then real":
        start = place.folder("synthetic only", seed)
        recipe = replace(recipe, steps=place.steps // 2, validate_every=place.steps // 2, learning_rate=5e-4)
    found = material(place, told=name != "no phones of the real man")
    train(found.recordings, found.held_out, recipe, folder, resume=folder.exists(), start_from=start)
    return export_bundle(folder, folder / "net.voxface")[0]


def material(place: Place, told: bool) -> Gathered:
    """Real faces alone for the nets; with synthetic speech, and phones of the real man, for the joint recipe."""
    if place.table == "nets":
        return gather([place.sets / "grid_s1"])
    return gather(
        [place.sets / "grid_s1", place.sets / "synth"], phones=place.sets / "grid_s1_phones.tsv" if told else None
    )


def scores(predictors: Sequence[Predictor], groups: Mapping[str, list[Recording]]) -> list[dict[str, Any]]:
    """For each predictor, by group: r of each clip (all, speech, both at the best lag), jaw r and closure AUC."""
    report = compare("ablation", "", predictors, groups)
    return [{group.name: _numbers(group.rows[which]) for group in report.groups} for which in range(len(predictors))]


def _numbers(found: Scores) -> dict[str, Any]:
    """A still face has no best lag; its r counts as 0, as in `voxface evaluate`."""
    return {
        "r": [clip.r or 0.0 for clip in found.clips],
        "speech_r": [clip.speech_r or 0.0 for clip in found.clips],
        "aligned_r": [clip.aligned.r or 0.0 for clip in found.clips],
        "aligned_speech_r": [clip.aligned.speech_r or 0.0 for clip in found.clips],
        "jaw_r": found.jaw_r.value,
        "auc": found.closures.auc.value,
    }


def cost(bundle: Bundle, recording: Recording) -> dict[str, float]:
    """CPU time of this machine on one thread: 10 s whole, features included, and one row of a stream."""
    animator = Animator(bundle)
    samples = np.resize(recording.samples, 160_000)
    rows = np.full((1, 1, bundle.feature.rows), -40, np.float32)
    states = animator.net.start()
    return {
        "cpu_ms": 1000 * _least(lambda: run_whole(animator, samples)),
        "step_us": 1e6 / 200 * _least(lambda: [animator.net.step(states, rows) for _ in range(200)]),
    }


def _least(what: Callable[[], object]) -> float:
    """Seconds of CPU: the least of nine times, since other work on the machine only ever adds."""
    times = []
    for _ in range(9):
        began = time.process_time()
        what()
        times.append(time.process_time() - began)
    return min(times)


HEADER = """| | s1 | grid_dev | wild_dev | grid_dev, best lag | wild_dev, best lag | ked: jaw r, AUC \
| s1, from base | unheard, from base | parameters | 10 s | step |
|---|---|---|---|---|---|---|---|---|---|---|---|"""


def table(place: Place, names: Sequence[str], seeds: Sequence[int]) -> str:
    """Markdown; the first name is the base of the differences, each with its standard error over clips."""
    found = {name: [_read(place, name, seed) for seed in seeds] for name in names}
    rows = (row(name, runs, found[names[0]], parameters(place, name)) for name, runs in found.items())
    return "\n".join([HEADER, *rows])


def parameters(place: Place, name: str) -> int:
    """How many numbers the net has learned."""
    variants, base = TABLES[place.table]
    recipe = variants[name](base(place.steps))
    return sum(weight.numel() for weight in MODELS[recipe.model][1](recipe.config).parameters())


def _read(place: Place, name: str, seed: int) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((place.folder(name, seed) / "scores.json").read_text())
    return value


def row(name: str, runs: Sequence[dict[str, Any]], base: Sequence[dict[str, Any]], count: int) -> str:
    ked = f"{_mean(runs, 'ked', 'jaw_r'):.3f}, {_mean(runs, 'ked', 'auc'):.3f}"
    cells = [*_quality(runs), ked, difference(runs, base, ["grid_s1"]), difference(runs, base, UNHEARD)]
    cpu, step = (min(run[key] for run in runs) for key in ("cpu_ms", "step_us"))
    return f"| {name} | " + " | ".join([*cells, f"{count / 1e6:.2f} M", f"{cpu:.0f} ms", f"{step:.0f} µs"]) + " |"


def _quality(runs: Sequence[dict[str, Any]]) -> list[str]:
    plain = [f"{_mean(runs, g, 'r'):.3f}/{_mean(runs, g, 'speech_r'):.3f}" for g in GROUPS[:3]]
    best = [f"{_mean(runs, g, 'aligned_r'):.3f}/{_mean(runs, g, 'aligned_speech_r'):.3f}" for g in UNHEARD]
    return plain + best


def _mean(runs: Sequence[dict[str, Any]], group: str, what: str) -> float:
    return float(np.mean([run[group][what] for run in runs]))


def difference(runs: Sequence[dict[str, Any]], base: Sequence[dict[str, Any]], groups: Sequence[str]) -> str:
    """r minus that of the base, all rows / rows with speech: mean over seeds, then over clips ± error."""
    parts = []
    for what in ("r", "speech_r"):
        own, other = (
            np.concatenate([np.mean([run[group][what] for run in those], axis=0) for group in groups])
            for those in (runs, base)
        )
        mean = Mean.of(list(own - other))
        parts.append(f"{mean.value:+.3f} ± {mean.error:.3f}")
    return " / ".join(parts)


def baselines(place: Place, groups: Mapping[str, list[Recording]]) -> list[str]:
    """Rows of what needs no net."""
    learned = load_dataset(place.sets / "grid_s1").recordings("train")
    judged: list[Predictor] = [fit_log_energy(learned), fit_mean_face(learned)]
    return [
        f"| {one.name} | " + " | ".join(_quality([found])) + " | | | | | | |"
        for one, found in zip(judged, scores(judged, groups), strict=True)
    ]


if __name__ == "__main__":
    main()
