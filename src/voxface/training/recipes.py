"""Recipes: everything that decides how a model comes out, except the data. A recipe is a function that returns one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from voxface.audio.features import FeatureSpec
from voxface.audio.level import LevelSpec
from voxface.errors import CheckpointError, UsageError
from voxface.models.registry import MODELS
from voxface.models.tcn import TcnConfig
from voxface.training.augment import AugmentSpec
from voxface.training.losses import LossSpec


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train.

    name:          of the function below that made it
    model:         name in models.registry.MODELS; config is its shape
    feature:       rows the model takes; stands in its bundle
    crop_rows:     rows of a crop whose error counts; the receptive field comes before them as context
    batch:         crops per step
    steps:         steps in all
    learning_rate: at its highest; it rises over warmup_steps, then falls as half a cosine to a hundredth
    gradient_clip: largest norm of the gradient
    ema_decay:     the shipped weights are a running mean of the trained ones, which forgets by this much per step
    precision:     of Lightning Fabric: "32-true", or "bf16-mixed": 1.5 times as fast where the processor has it, 12
                   times slower where it has not
    seed:          of weights, crops and augmentation
    """

    name: str
    model: str = "tcn"
    config: TcnConfig = field(default_factory=TcnConfig)
    feature: FeatureSpec = field(default_factory=FeatureSpec)
    crop_rows: int = 200
    batch: int = 16
    steps: int = 7000
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    ema_decay: float = 0.999
    precision: str = "32-true"
    loss: LossSpec = field(default_factory=LossSpec)
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    validate_every: int = 500
    seed: int = 1

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise UsageError(f"unknown model {self.model!r}; there are: {', '.join(MODELS)}.")
        if min(self.crop_rows, self.batch, self.steps, self.validate_every) < 1:
            raise UsageError("crop_rows, batch, steps and validate_every must be at least 1.")
        if self.config.features != self.feature.rows:
            raise UsageError(f"the net takes {self.config.features} features, the rows have {self.feature.rows}.")

    @property
    def context_rows(self) -> int:
        """Rows before a crop that its first output sees."""
        return self.config.receptive_field - 1

    def to_json(self) -> dict[str, Any]:
        """As it stands in checkpoints and bundles; read back by from_json."""
        return asdict(self) | {"feature": self.feature.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Recipe:
        """Read what to_json wrote. Raises: CheckpointError: written by another version, or not a recipe."""
        try:
            parts = {
                "config": MODELS[value["model"]][0](**value["config"]),
                "feature": FeatureSpec.from_json(value["feature"]),
                "loss": LossSpec(**value["loss"]),
                "augment": AugmentSpec(**value["augment"]),
            }
            return cls(**(dict(value) | parts))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"the recipe in the checkpoint cannot be read: {error!r}.",
                hint="It is of another version of voxface: train again.",
            ) from error


def first() -> Recipe:
    """The first model: real captures only, 80 mels behind the level control, 60 ms look-ahead.

    Strong augmentation costs a hundredth of r on the man it learns from and gains several on everybody else (1200
    steps: lip gap r .939 -> .927 on him, .69 -> .74 on five others). Counting closed lips twice brings the closures of
    p, b and m up to where the tracker sees them, at the price of a few false ones (four times: recall .71 -> .87,
    false .09 -> .19; the tracker .85 and .15). Steadiness takes the trembling away (third difference of the lip gap on
    five others .042 without it, .017 at 0.5, .010 at 3). docs/model.md has the table.
    """
    return Recipe("first", feature=FeatureSpec(level=LevelSpec()))


RECIPES: dict[str, Callable[[], Recipe]] = {"first": first}
"""Recipes by name."""


def recipe_named(name: str) -> Recipe:
    """The recipe of that name. Raises: UsageError: there is none."""
    if name not in RECIPES:
        raise UsageError(f"there is no recipe {name!r}.", hint=f"Recipes: {', '.join(RECIPES)}.")
    return RECIPES[name]()
