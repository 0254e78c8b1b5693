"""The recipe `emotion`: which emotion a voice sounds like, from acted sentences; checked on speakers never heard.

`voxface train [DATASET...] --recipe emotion --sound EMODB -o RUN`; the datasets are speech without emotion. There is
nothing deep to learn from 18 minutes of ten people: the net is a linear reading of running statistics
(models/emotion.py), so that a training is seconds and every speaker can be left out once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from voxface.audio.features import FeatureSpec
from voxface.audio.level import LevelSpec
from voxface.bundle import SUFFIX, Bundle, OutputSpec
from voxface.dataset.dataset import load_dataset
from voxface.errors import UsageError
from voxface.face.rig import EMOTIONS
from voxface.models.emotion import EmotionConfig, EmotionNet
from voxface.stream import Array, run_whole
from voxface.training.checkpoint import (
    FILE_NAME,
    CheckpointHeader,
    differences,
    load_checkpoint,
    require_new,
    require_same,
    save_checkpoint,
    under,
)
from voxface.training.emodb import LETTERS, Acted, acted
from voxface.training.emotion_examples import Examples, VarySpec, examples_of
from voxface.training.export import save_checked, state_specs, to_onnx
from voxface.training.provenance import about_training, spoken_text
from voxface.training.request import TrainRequest

NEUTRAL = EMOTIONS.index("Neutral")
UNHEARD = tuple(place for place, name in enumerate(EMOTIONS) if name not in LETTERS.values())
"""Emotions that no recording shows: Surprised."""

Report = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True, slots=True)
class EmotionRecipe:
    """How to train.

    feature:    as the mouth's bundles have it, so that a session computes it once
    vary:       how the sentences are varied
    calm:       so many recordings of each dataset are examples of Neutral
    calm_share: how much they count together, an emotion counting 1
    shrink:     penalty on the squared weights
    """

    name: str = "emotion"
    config: EmotionConfig = field(default_factory=EmotionConfig)
    feature: FeatureSpec = field(default_factory=lambda: FeatureSpec(rows=83, level=LevelSpec(free_db=6.0)))
    vary: VarySpec = field(default_factory=VarySpec)
    calm: int = 100
    calm_share: float = 1.0
    shrink: float = 1e-3
    steps: int = 300
    batch: int = 2048
    learning_rate: float = 0.02
    seed: int = 1

    def to_json(self) -> dict[str, Any]:
        """As it stands in checkpoints and bundles."""
        return asdict(self) | {"feature": self.feature.to_json()}


def train(request: TrainRequest, report: Report) -> dict[str, float]:
    """Train once without each speaker, then on all; the run's checkpoint holds the last net and what the others heard.

    Returns: unweighted accuracy over all sentences, each judged by the net that never heard its speaker.
    Raises: UsageError: no folder of sentences, or several. DatasetError: it holds none. CheckpointError: a run lies
        there, and it is not to be resumed, or of another recipe.
    """
    if len(request.sounds) != 1:
        raise UsageError("recipe 'emotion' needs one folder of acted sentences.", hint="Give it: --sound EMODB.")
    path = request.folder / FILE_NAME
    recipe = _recipe(request)
    require_new(path, request.resume)
    if path.exists():  # the one checkpoint is written at the end
        header = load_checkpoint(path)[0]
        require_same(differences(header.recipe, json.loads(json.dumps(recipe.to_json()))), path)
        return dict(header.validated)
    sentences = list(acted(request.sounds[0]))
    speakers = sorted({one.speaker for one in sentences})
    calm, texts = _calm(request.datasets, recipe)
    report(0, len(speakers) + 2, {})
    examples = _examples(sentences, calm, recipe)
    report(1, len(speakers) + 2, {})
    answers: dict[str, Array] = {}
    for done, speaker in enumerate(speakers, 2):
        net = fitted(examples.without(speaker), recipe)
        answers |= {one.name: track(net, one.samples, recipe).mean(0) for one in sentences if one.speaker == speaker}
        report(done, len(speakers) + 2, {})
    scores = scored(sentences, answers)
    net = fitted(examples, recipe)
    texts = [f"{request.sounds[0].name}: {len(sentences)} acted sentences, {len(speakers)} speakers", *texts]
    header = CheckpointHeader(
        step=recipe.steps, skipped=0, recipe=recipe.to_json(), data=_hash(sentences),
        about=about_training("; ".join(texts)) | {"unheard_speakers": scores},
        validated={"unweighted_accuracy": scores["unweighted_accuracy"]},
    )  # fmt: skip
    save_checkpoint(path, header, {f"mean.{name}": value for name, value in net.state_dict().items()})
    report(len(speakers) + 2, len(speakers) + 2, header.validated)
    return header.validated


def export(
    run: Path, folder: Path, name: str | None, metrics: Mapping[str, Any] | None, about: Mapping[str, Any] | None
) -> tuple[Bundle, float]:
    """The bundle of a run. Raises: CheckpointError, BundleError: as training.export.export_bundle."""
    header, tensors = load_checkpoint(run)
    net = EmotionNet(EmotionConfig(**header.recipe["config"]), NEUTRAL, UNHEARD).eval()
    net.load_state_dict(under("mean", tensors))
    told = dict(header.about)
    scores = told.pop("unheard_speakers")
    feature = FeatureSpec.from_json(header.recipe["feature"])
    noise = np.random.default_rng(7).standard_normal(80_000).astype(np.float32) * np.float32(0.05)
    return save_checked(
        net, folder, rows=np.stack([run_whole(feature.extractor(), noise)[:500]] * 2),
        model=to_onnx(net), name=name or folder.name.removesuffix(SUFFIX), feature=feature, look_ahead_rows=0,
        states=state_specs(net), outputs=[OutputSpec("emotion", EMOTIONS, "1")],
        training=told | {"data_sha256": header.data, "recipe": header.recipe} | dict(about or {}),
        metrics=dict(metrics or {"unheard_speakers": scores}),
    )  # fmt: skip


def fitted(examples: Examples, recipe: EmotionRecipe) -> EmotionNet:
    """A net that reads the examples' emotions: multinomial logistic regression, every emotion counting the same."""
    random = np.random.default_rng(recipe.seed)
    net = EmotionNet(recipe.config, NEUTRAL, UNHEARD)
    found, wanted = torch.from_numpy(examples.statistics), torch.from_numpy(examples.emotion)
    weight = torch.from_numpy(examples.balanced(recipe.calm_share))
    spread, centre = torch.std_mean(found[torch.from_numpy(~examples.calm)], dim=0)
    net.centre.copy_(centre)
    net.scale.copy_(1 / spread.clamp_min(0.01))
    torch.nn.init.zeros_(net.read.weight)
    torch.nn.init.zeros_(net.read.bias)
    optimizer = torch.optim.Adam(net.read.parameters(), recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe.steps)
    for _ in range(recipe.steps):
        some = torch.from_numpy(random.integers(0, len(found), min(recipe.batch, len(found))))
        errors = torch.nn.functional.cross_entropy(net.logits(found[some]), wanted[some], reduction="none")
        loss = (errors * weight[some]).mean() + recipe.shrink * net.read.weight.square().sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return net.eval()


def track(net: EmotionNet, samples: Array, recipe: EmotionRecipe) -> Array:
    """(n,) samples at 16 kHz -> (rows, 7): what the net says of them."""
    rows = torch.from_numpy(run_whole(recipe.feature.extractor(), samples)[None])
    with torch.no_grad():
        answer: Array = net(rows, *net.start())[0][0].numpy()
    return answer


def scored(sentences: Sequence[Acted], answers: Mapping[str, Array]) -> dict[str, Any]:
    """Right answers, the mean of the track deciding: unweighted accuracy (the mean of the recalls of all emotions)
    over all sentences and per speaker, and how often each emotion is taken for which."""
    heard = [name for place, name in enumerate(EMOTIONS) if place not in UNHEARD]
    taken = {one: dict.fromkeys(heard, 0) for one in heard}
    by_speaker: dict[str, dict[str, list[bool]]] = {}
    for one in sentences:
        answer = EMOTIONS[int(np.argmax(answers[one.name]))]
        taken[one.emotion][answer] += 1
        by_speaker.setdefault(one.speaker, {}).setdefault(one.emotion, []).append(answer == one.emotion)
    recalls = [taken[name][name] / max(1, sum(taken[name].values())) for name in heard if any(taken[name].values())]
    return {
        "unweighted_accuracy": round(float(np.mean(recalls)), 4),
        "per_speaker": {
            speaker: round(float(np.mean([np.mean(right) for right in found.values()])), 4)
            for speaker, found in by_speaker.items()
        },
        "confusion": taken,
    }


def _recipe(request: TrainRequest) -> EmotionRecipe:
    given = {"steps": request.steps, "seed": request.seed}
    return EmotionRecipe(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


def _calm(datasets: Sequence[Path], recipe: EmotionRecipe) -> tuple[list[tuple[str, Array]], list[str]]:
    """Speakers and sounds of speech without emotion, evenly chosen from each dataset; and the datasets in words."""
    chosen, texts = [], []
    for folder in datasets:
        data = load_dataset(folder)
        entries = data.entries("train")
        some = [
            entries[place] for place in np.linspace(0, len(entries) - 1, min(recipe.calm, len(entries))).astype(int)
        ]
        chosen += [(entry.speaker, data.read(entry).samples) for entry in some]
        texts.append(f"as neutral: {spoken_text(folder.name, some)}")
    return chosen, texts


def _examples(sentences: Sequence[Acted], calm: Sequence[tuple[str, Array]], recipe: EmotionRecipe) -> Examples:
    net = EmotionNet(recipe.config, NEUTRAL, UNHEARD)
    spoken = [(one.speaker, EMOTIONS.index(one.emotion), False, one.samples) for one in sentences]
    spoken += [(speaker, NEUTRAL, True, samples) for speaker, samples in calm]
    return examples_of(spoken, net, recipe.feature, recipe.vary, recipe.seed)


def _hash(sentences: Sequence[Acted]) -> str:
    sums = [hashlib.sha256(one.samples.tobytes()).hexdigest() + one.name for one in sentences]
    return hashlib.sha256("".join(sums).encode()).hexdigest()
