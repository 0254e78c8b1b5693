"""A run of `neurosync-small`: steps, validation, and how it goes to disk and comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from voxface.audio.features import FeatureSpec
from voxface.audio.resample import Resampler
from voxface.dataset.loudness import SPEECH_DB, relative_level_db
from voxface.dataset.recording import Recording
from voxface.face.compare import pearson
from voxface.face.gap import rig_gap
from voxface.face.rig import LIVELINK_61
from voxface.models.transformer import Transformer, on_arrays
from voxface.runtime.windows import joined
from voxface.stream import Array, run_whole
from voxface.timebase import SAMPLE_RATE_HZ
from voxface.training.checkpoint import (
    BEST_NAME,
    FILE_NAME,
    CheckpointHeader,
    Tensors,
    differences,
    load_checkpoint,
    require_same,
    save_checkpoint,
    under,
)
from voxface.training.clip_table import ClipTable
from voxface.training.clips import at_frames
from voxface.training.log import TrainingLog
from voxface.training.losses import LossSpec, column_scale, total, with_gap
from voxface.training.rate import cosine_rate
from voxface.training.small_net import MASK, SmallFace, SmallRecipe, small_terms
from voxface.training.stop import stop_requested

WATCHED = "gap_r_speech"
"""The number by which the best checkpoint is kept."""


class Judged(NamedTuple):
    """A held-out recording: (frames, 78) rows, (frames,) true lip gap, (frames,) bool: it counts; somebody speaks."""

    rows: Array
    gap: Array
    valid: Array
    speech: Array


@dataclass(frozen=True, slots=True)
class Material:
    """What stays the same in a run: clips to learn from, recordings to judge on, what is to be said of them."""

    clips: ClipTable
    judged: Sequence[Judged]
    about: Mapping[str, Any]


@dataclass
class Run:
    """What changes from step to step; mean: the running mean of the weights, which is what ships."""

    net: Transformer
    optimizer: torch.optim.AdamW
    mean: Tensors
    step: int = 0
    validated: dict[str, float] = field(default_factory=dict)
    best: dict[str, float] = field(default_factory=dict)


def begin(recipe: SmallRecipe) -> Run:
    """A run before its first step, its weights drawn from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    net = Transformer(recipe.net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    return Run(net, optimizer, {name: tensor.clone() for name, tensor in net.state_dict().items()})


def learn(
    run: Run,
    recipe: SmallRecipe,
    material: Material,
    folder: Path,
    report: Callable[[int, int, dict[str, float]], None],
) -> None:
    """Go on to the recipe's last step. Raises: KeyboardInterrupt: a signal came; a checkpoint was written."""
    scale = scale_of(material.clips, recipe.loss)
    with stop_requested() as asked, TrainingLog(folder, run.step) as log:
        while run.step < recipe.steps and not asked:
            values = one_step(run, recipe, material.clips, scale)
            log.step(run.step, values)
            if run.step % recipe.validate_every == 0 or run.step == recipe.steps:
                run.validated = validate(run.mean, recipe, material.judged)
                log.validation(run.step, run.validated)
                values |= run.validated
                _keep_best(run, recipe, material, folder)
                save(run, recipe, material, folder)
            report(run.step, recipe.steps, values)
    save(run, recipe, material, folder)
    if run.step < recipe.steps:
        raise KeyboardInterrupt


def scale_of(clips: ClipTable, spec: LossSpec) -> Tensor:
    """(60,) of losses.column_scale, over the first ten minutes."""
    targets = with_gap(torch.from_numpy(clips.columns[1][:36_000].astype(np.float32))).numpy()
    mask = np.broadcast_to(np.array(MASK), targets.shape)
    return torch.from_numpy(column_scale(lambda: [(targets, mask)], spec))


def one_step(run: Run, recipe: SmallRecipe, clips: ClipTable, scale: Tensor) -> dict[str, float]:
    """Learn from the crops of this step, which depend on its number only; what is not finite changes nothing."""
    rows, weights, emotion = crops(recipe, clips, run.step)
    rate = cosine_rate(recipe.learning_rate, run.step, recipe.warmup_steps, recipe.steps)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    run.net.train()
    terms = small_terms(run.net(rows), weights, emotion, scale, recipe.loss, recipe.emotion_share)
    loss = total(terms, torch.stack([term.share for term in terms]))
    run.optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    norm = torch.nn.utils.clip_grad_norm_(run.net.parameters(), recipe.gradient_clip)
    if bool(torch.isfinite(norm)):
        run.optimizer.step()
    run.step += 1
    decay = min(recipe.mean_decay, run.step / (run.step + 10))
    with torch.no_grad():
        for name, tensor in run.net.state_dict().items():
            run.mean[name].lerp_(tensor, 1 - decay)
    return {"loss": float(loss.detach()), "gradient": float(norm), "learning_rate": rate}


def crops(recipe: SmallRecipe, clips: ClipTable, step: int) -> list[Tensor]:
    """(batch, frames, width) of each column of the clips, for a step; at times shorter than a window."""
    random = np.random.default_rng([0x736D616C, recipe.seed, step])
    short = random.random() < recipe.short_share
    frames = int(random.integers(recipe.net.frames // 8, recipe.net.frames)) if short else recipe.net.frames
    return [torch.from_numpy(column) for column in clips.crops(frames, recipe.batch, random)]


def judged(recording: Recording, feature: FeatureSpec) -> Judged:
    """A held-out recording, its truth at the moments of frames."""
    rows = feature.whole(run_whole(Resampler(SAMPLE_RATE_HZ, feature.sample_rate_hz), recording.samples))
    speech = relative_level_db(recording.samples) >= -SPEECH_DB
    truth = np.stack([recording.rig_gap_target(), recording.valid, recording.valid & speech], axis=1)
    gap, valid, spoken = at_frames(truth.astype(np.float32), len(rows)).T
    return Judged(rows, gap, valid > 0.5, spoken > 0.5)


def validate(mean: Tensors, recipe: SmallRecipe, recordings: Sequence[Judged]) -> dict[str, float]:
    """Pearson r of the lip gap, mean over recordings, of the net as it would ship: all frames; those with speech."""
    forward = on_arrays(shipped(recipe, mean))
    whole, speech = [], []
    for one in recordings:
        values = np.concatenate(list(joined(one.rows, forward, recipe.window)))
        gap = rig_gap(values[:, : len(LIVELINK_61)], LIVELINK_61)
        whole.append(pearson(gap[one.valid], one.gap[one.valid]))
        speech.append(pearson(gap[one.speech], one.gap[one.speech]))
    return {"gap_r": float(np.mean(whole)), WATCHED: float(np.mean(speech))} if whole else {}


def shipped(recipe: SmallRecipe, weights: Tensors) -> SmallFace:
    """The net of a recipe with given weights, ready to ship."""
    net = Transformer(recipe.net)
    net.load_state_dict(weights)
    return SmallFace(net).eval()


def save(run: Run, recipe: SmallRecipe, material: Material, folder: Path) -> None:
    """Write the whole state of a run."""
    names = [name for name, _ in run.net.named_parameters()]
    tensors = under_prefix("model", run.net.state_dict()) | under_prefix("mean", run.mean)
    for number, parts in run.optimizer.state_dict()["state"].items():
        tensors |= under_prefix(f"optimizer.{names[number]}", parts)
    save_checkpoint(folder / FILE_NAME, _header(run, recipe, material), tensors)


def restore(run: Run, recipe: SmallRecipe, path: Path) -> None:
    """Take up a run where its checkpoint left it. Raises: CheckpointError: damaged, or of another recipe."""
    header, tensors = load_checkpoint(path)
    require_same(differences(header.recipe, json.loads(json.dumps(asdict(recipe)))), path)
    run.net.load_state_dict(under("model", tensors))
    run.mean = under("mean", tensors)
    own = [under(f"optimizer.{name}", tensors) for name, _ in run.net.named_parameters()]
    state = run.optimizer.state_dict() | {"state": dict(enumerate(own)) if own[0] else {}}
    run.optimizer.load_state_dict(state)
    run.step, run.validated, run.best = header.step, header.validated, header.best


def under_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> Tensors:
    """The tensors with names that begin with `prefix.`: the inverse of checkpoint.under."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _keep_best(run: Run, recipe: SmallRecipe, material: Material, folder: Path) -> None:
    watched = run.validated.get(WATCHED, 0.0)
    if not run.best or watched > run.best["value"]:
        run.best = {"step": run.step, "value": watched}
        save_checkpoint(folder / BEST_NAME, _header(run, recipe, material), under_prefix("mean", run.mean))


def _header(run: Run, recipe: SmallRecipe, material: Material) -> CheckpointHeader:
    return CheckpointHeader(
        step=run.step, skipped=0, recipe=asdict(recipe), data="", about=dict(material.about),
        validated=run.validated, best=run.best,
    )  # fmt: skip
