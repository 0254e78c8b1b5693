"""Recipes: everything that decides how a model comes out, except the data. A recipe is a function that returns one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from voxface.articulation.channels import ARTICULATED
from voxface.articulation.phones import PHONES
from voxface.audio.features import ROW_WIDTHS, FeatureSpec
from voxface.audio.level import LevelSpec
from voxface.errors import CheckpointError, UsageError
from voxface.face.rig import ARKIT
from voxface.models.registry import MODELS
from voxface.models.tcn import TcnConfig
from voxface.training.augment import AugmentSpec
from voxface.training.losses import LossSpec

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to train.

    name:          of the function below that made it
    model:         name in models.registry.MODELS; config is its shape
    feature:       rows the model takes; stands in its bundle
    drives:        channels that the bundle drives; the others stay 0, and the runtime's idle motion may have them
    captured_share: where there are two heads, this share of the shipped lip gap is the captured head's, the rest the
                   articulated one's
    closing:       where phones are told apart, this times the probability of p, b and m is taken off the gap, which
                   stays at 0 beyond
    smoothing:     the shipped weights are averaged over this many rows and one, by binomial shares, which takes away
                   what trembles from row to row; half of them, rounded down, are added to the look-ahead
    crop_rows:     rows of a crop whose error counts; the receptive field comes before them as context
    every:         the error is taken at every so many-th row of a crop, a power of 2: neighbours say nearly the same
    batch:         crops per step
    synthetic_crops: how many of them are of synthetic speech; they teach the articulated head, where there is one
    synthetic_weight, phone_weight: how much the errors of the articulated head and of the phones count, beside those
                   of the captured head
    steps:         steps in all
    learning_rate: at its highest; it rises over warmup_steps, then falls as half a cosine to a hundredth
    gradient_clip: largest norm of the gradient
    ema_decay:     the shipped weights are a running mean of the trained ones, which forgets by this much per step
    precision:     "32-true"; "bf16-mixed": 1.6 times as fast where the processor multiplies bfloat16, 12 times slower
                   where not; "auto": the second where it is fast, else the first; "16-mixed": for GPUs without bfloat16
    patience:      training ends when so many validations in a row brought no better lip gap r; 0: it does not
    seed:          of weights, crops and augmentation
    """

    name: str
    model: str = "tcn"
    config: TcnConfig = field(default_factory=TcnConfig)
    feature: FeatureSpec = field(default_factory=FeatureSpec)
    drives: tuple[str, ...] = ARKIT
    captured_share: float = 0.5
    closing: float = 1.0
    smoothing: int = 0
    crop_rows: int = 200
    every: int = 1
    batch: int = 16
    synthetic_crops: int = 0
    synthetic_weight: float = 1.0
    phone_weight: float = 0.0
    steps: int = 7000
    learning_rate: float = 2e-3
    warmup_steps: int = 200
    weight_decay: float = 0.01
    gradient_clip: float = 1.0
    ema_decay: float = 0.999
    precision: str = "32-true"
    loss: LossSpec = field(default_factory=LossSpec)
    synthetic_loss: LossSpec = field(default_factory=LossSpec)
    augment: AugmentSpec = field(default_factory=AugmentSpec)
    validate_every: int = 500
    patience: int = 0
    seed: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "drives", tuple(self.drives))
        if self.model not in MODELS:
            raise UsageError(f"unknown model {self.model!r}; there are: {', '.join(MODELS)}.")
        if min(self.crop_rows, self.batch, self.steps, self.validate_every) < 1:
            raise UsageError("crop_rows, batch, steps and validate_every must be at least 1.")
        if self.every not in (1, 2, 4) or self.crop_rows % self.every or self.loss.velocity_rows % self.every:
            raise UsageError(f"every is 1, 2 or 4 and divides crop_rows and velocity_rows; got {self.every}.")
        if self.config.phones not in (0, len(PHONES)):
            raise UsageError(f"a head for phones has 0 or {len(PHONES)} classes; got {self.config.phones}.")
        if not 0 <= self.synthetic_crops <= self.batch:
            raise UsageError(f"of {self.batch} crops, 0 to {self.batch} are synthetic; got {self.synthetic_crops}.")
        if not 0 <= self.smoothing <= 8 or self.closing < 0:
            raise UsageError(f"smoothing is 0 to 8, closing not negative; got {self.smoothing} and {self.closing}.")
        if self.patience < 0:
            raise UsageError(f"patience is 0 or more; got {self.patience}.")
        if self.precision not in PRECISIONS:
            raise UsageError(f"precision is one of {', '.join(PRECISIONS)}; got {self.precision!r}.")
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
                "synthetic_loss": LossSpec(**value["synthetic_loss"]),
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


MIXED = AugmentSpec(
    plain_share=0.4, gain_db=10.0, speed=0.15, tilt_share=0.7, warp_share=0.7, warp=0.25, room_share=0.3,
    band_share=0.15, babble_share=0.15, noise_share=0.6, noise_db=(-70.0, -26.0), silence_share=0.06,
)  # fmt: skip
"""Two fifths of the crops as they were heard; the others in other rooms, other voices, other microphones."""


def _speaking(name: str, config: TcnConfig, **own: Any) -> Recipe:
    """What recipes for the mouth of anybody share: sound, channels, crops, length; `own` is the rest of one."""
    return Recipe(
        name,
        config=config,
        feature=FeatureSpec(level=LevelSpec(free_db=6.0)),
        drives=ARTICULATED,
        crop_rows=256,
        every=4,
        steps=12_000,
        augment=MIXED,
        validate_every=1000,
        **own,
    )


def joint() -> Recipe:
    """One trunk, three heads: captured faces, the curves of synthetic speech, phones; half of each batch is synthetic.

    Synthetic speech teaches the trunk many voices and exact times of phones; the one captured man teaches how a real
    mouth moves (RESEARCH A8; docs/model.md has what was tried). Of the captured head only the lip gap is shipped, so
    its other channels count little. Closed lips of p, b and m count four times.
    """
    return _speaking(
        "joint",
        TcnConfig(
            channels=len(ARKIT),
            articulated=len(ARKIT),
            phones=len(PHONES),
            trunk_gradient=0.5,
            width=160,
            look_ahead_rows=20,
        ),
        captured_share=0.8,
        closing=2.0,
        smoothing=2,
        synthetic_crops=8,
        phone_weight=0.4,
        loss=LossSpec(mouth=0.2, face=0.05, head=0.0, steadiness=1.0),
        synthetic_loss=LossSpec(closed=4.0, velocity=2.0, face=0.0, head=0.0, steadiness=0.5, gap=4.0),
    )


def live() -> Recipe:
    """One head that learns what joint nets say (`--teacher`), with 60 ms of look-ahead, for conversations.

    What the teachers say of a clean recording is asked of the student for the same recording in noise, in a room, at
    another pitch. Three of eight crops are synthetic speech: with all sound alike, most of it would be, and real voices
    suffer (docs/model.md).
    """
    return _speaking(
        "live",
        TcnConfig(channels=len(ARKIT), width=160, look_ahead_rows=6),
        smoothing=1,
        synthetic_crops=6,
        loss=LossSpec(closed=3.0, velocity=2.0, face=0.0, head=0.0, steadiness=0.5),
    )


def with_model(recipe: Recipe, name: str) -> Recipe:
    """The recipe with another net, of the same shape in all that both nets know.

    Raises: UsageError: there is no such net.
    """
    if name not in MODELS:
        raise UsageError(f"unknown model {name!r}.", hint=f"Models: {', '.join(MODELS)}.")
    kind = MODELS[name][0]
    known = {field.name for field in fields(kind)}
    shape = {field.name: getattr(recipe.config, field.name) for field in fields(recipe.config) if field.name in known}
    return replace(recipe, model=name, config=kind(**shape))


def with_features(recipe: Recipe, width: int) -> Recipe:
    """The recipe with 80 or 83 features. Raises: UsageError: another number."""
    if width not in ROW_WIDTHS:
        raise UsageError(f"a net takes {' or '.join(map(str, ROW_WIDTHS))} features; got {width}.")
    feature, config = replace(recipe.feature, rows=width), replace(recipe.config, features=width)
    return replace(recipe, feature=feature, config=config)


def with_batch(recipe: Recipe, crops: int) -> Recipe:
    """The recipe with another number of crops per step, of which as large a share as before is synthetic."""
    return replace(recipe, batch=crops, synthetic_crops=round(crops * recipe.synthetic_crops / recipe.batch))


RECIPES: dict[str, Callable[[], Recipe]] = {
    "first": first,
    "joint": joint,
    "live": live,
}
"""Recipes by name."""


def recipe_named(name: str) -> Recipe:
    """The recipe of that name. Raises: UsageError: there is none."""
    if name not in RECIPES:
        raise UsageError(f"there is no recipe {name!r}.", hint=f"Recipes: {', '.join(RECIPES)}.")
    return RECIPES[name]()
