"""What each part of the joint recipe brings: small nets, the same split and seed, one change at a time.

    python benchmarks/ablation.py --sets work/datasets -o work/ablation [--steps 1500] [name ...]

Prints a Markdown table: lip-gap r, all rows / rows with speech, on held-out clips of the training man, on people
never heard (each at its own best lag within 200 ms too), and jaw r and closure AUC on a synthetic voice never heard.
Runs that are done are kept, so it can be stopped and started again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from voxface.audio.level import LevelSpec
from voxface.bundle import Bundle
from voxface.dataset.dataset import load_dataset
from voxface.dataset.recording import Recording
from voxface.evaluation.evaluate import BundlePredictor, compare
from voxface.training.export import export_bundle
from voxface.training.gather import Gathered, gather
from voxface.training.loop import train, use_threads
from voxface.training.recipes import Recipe, joint

GROUPS = ("grid_s1", "grid_dev", "wild_dev", "ked")


def base(steps: int) -> Recipe:
    """The joint recipe with a small net and few steps."""
    recipe = joint()
    return replace(recipe, config=replace(recipe.config, width=128), steps=steps, validate_every=steps)


def real_only(recipe: Recipe) -> Recipe:
    """All crops from the captured man; there is one head that learns."""
    return replace(recipe, synthetic_crops=0, phone_weight=0.0, captured_share=1.0, closing=0.0)


def synthetic_only(recipe: Recipe) -> Recipe:
    return replace(recipe, synthetic_crops=recipe.batch, captured_share=0.0)


def shaped(recipe: Recipe, **changes: Any) -> Recipe:
    return replace(recipe, config=replace(recipe.config, **changes))


VARIANTS: Mapping[str, Any] = {
    "joint (base)": lambda r: r,
    "real only": real_only,
    "synthetic only": synthetic_only,
    "synthetic, then real": real_only,
    "no phones of the real man": lambda r: r,
    "no phone head": lambda r: replace(r, phone_weight=0.0, closing=0.0),
    "trunk gradient 0.2": lambda r: shaped(r, trunk_gradient=0.2),
    "trunk gradient 1": lambda r: shaped(r, trunk_gradient=1.0),
    "no augmentation but gain": lambda r: replace(r, augment=replace(r.augment, plain_share=1.0, speed=0.0)),
    "all crops augmented": lambda r: replace(r, augment=replace(r.augment, plain_share=0.0)),
    "level control everywhere": lambda r: replace(r, feature=replace(r.feature, level=LevelSpec())),
    "look-ahead 0": lambda r: shaped(r, look_ahead_rows=0),
    "look-ahead 6": lambda r: shaped(r, look_ahead_rows=6),
    "look-ahead 31": lambda r: shaped(r, look_ahead_rows=31),
    "captured share 0.5": lambda r: replace(r, captured_share=0.5),
    "captured share 1": lambda r: replace(r, captured_share=1.0),
    "no closing": lambda r: replace(r, closing=0.0),
}
"""What is changed, by name. Changes of how heads are combined train the base net again: it is the same net."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=Path, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    use_threads(1)
    groups = {name: load_dataset(options.sets / name).recordings("test") for name in GROUPS}
    told, silent = (material(options.sets, phones) for phones in (True, False))
    print(f"{options.steps} steps, width 128\n\n{HEADER}", flush=True)
    for name in options.names or VARIANTS:
        found = silent if name == "no phones of the real man" else told
        print(row(name, run(name, found, options), groups), flush=True)


def material(sets: Path, phones: bool) -> Gathered:
    return gather([sets / "grid_s1", sets / "synth"], phones=sets / "grid_s1_phones.tsv" if phones else None)


def run(name: str, found: Gathered, options: argparse.Namespace) -> Bundle:
    """Train a variant, or take the run that is there, and export it."""
    recipe: Recipe = VARIANTS[name](base(options.steps))
    folder = options.output / name.replace(" ", "_")
    first = options.output / "synthetic_only" if name == "synthetic, then real" else None
    if first is not None:
        recipe = replace(recipe, steps=options.steps // 2, validate_every=options.steps // 2, learning_rate=5e-4)
    train(found.recordings, found.held_out, recipe, folder, resume=folder.exists(), start_from=first)
    return export_bundle(folder, folder / "net.voxface")[0]


HEADER = """| change | s1 | grid_dev | wild_dev | grid_dev, best lag | wild_dev, best lag | ked: jaw r, closure AUC |
|---|---|---|---|---|---|---|"""


def row(name: str, bundle: Bundle, groups: Mapping[str, list[Recording]]) -> str:
    report = compare(name, "", [BundlePredictor(bundle)], groups)
    scores = {group.name: group.rows[0] for group in report.groups}
    plain = [f"{scores[g].r.value:.3f}/{scores[g].speech_r.value:.3f}" for g in GROUPS[:3]]
    best = [f"{scores[g].aligned_r.value:.3f}/{scores[g].aligned_speech_r.value:.3f}" for g in GROUPS[1:3]]
    ked = scores["ked"]
    return f"| {name} | " + " | ".join([*plain, *best, f"{ked.jaw_r.value:.3f}, {ked.closures.auc.value:.3f}"]) + " |"


if __name__ == "__main__":
    sys.exit(main())
