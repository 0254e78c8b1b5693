"""The articulation table: what every phone asks of every articulator. A TOML file that a linguist can read and edit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from voxface.articulation.channels import sides
from voxface.articulation.phones import PHONES, SILENCE
from voxface.errors import UsageError
from voxface.stream import Array


@dataclass(frozen=True, slots=True)
class Group:
    """One articulator: channels that move together, and how far its targets reach into neighbouring phones.

    channels:   names without side ("mouthStretch" is left and right), each in one group only
    rise, fall: per second; dominance falls by exp(-rise * s) for s seconds before a phone, exp(-fall * s) after it
    reach:      seconds beyond which a phone has no say at all
    strength:   dominance of a phone that names none of its own
    stress:     factors on the targets of vowels without, with primary, with secondary stress; at most 1
    loudness:   share of the loudness factor that acts here, 0 to 1
    """

    name: str
    channels: tuple[str, ...]
    rise: float
    fall: float
    reach: float = 0.2
    strength: float = 1.0
    stress: tuple[float, float, float] = (1.0, 1.0, 1.0)
    loudness: float = 0.0

    def __post_init__(self) -> None:
        here = f"dominance.{self.name}"
        for channel in self.channels:
            _channel(channel, f"{here}.channels")
        for key in ("rise", "fall"):
            _within(getattr(self, key), 1, 100, f"{here}.{key}")
        _within(self.reach, 0.05, 1, f"{here}.reach")
        _within(self.strength, 0.01, 10, f"{here}.strength")
        _within(self.loudness, 0, 1, f"{here}.loudness")
        if len(self.stress) != 3:
            raise UsageError(f"{here}.stress must be 3 numbers: without, primary, secondary; got {len(self.stress)}.")
        for factor in self.stress:
            _within(factor, 0, 1, f"{here}.stress")


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """What one phone asks for.

    like:     the phone whose targets and strengths it shares; then the rest is empty
    targets:  by channel without side: one value, or two for a phone that moves (a diphthong); 0 where not named
    strength: by group: dominance over its neighbours, where it differs from the group's
    """

    symbol: str
    like: str | None = None
    targets: Mapping[str, tuple[float, ...]] = None  # type: ignore[assignment]
    strength: Mapping[str, float] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        here = f"phones.{self.symbol}"
        object.__setattr__(self, "targets", dict(self.targets or {}))
        object.__setattr__(self, "strength", dict(self.strength or {}))
        if self.symbol not in PHONES:
            raise UsageError(f"{here} is no phone.", hint=f"The phones: {', '.join(PHONES)}.")
        if self.like is not None and (self.targets or self.strength):
            raise UsageError(f"{here} has 'like' and other keys.", hint="A phone that is like another has no others.")
        for channel, values in self.targets.items():
            if len(values) not in (1, 2):
                raise UsageError(f"{here}.{channel} must be one number or two; got {len(values)}.")
            for value in values:
                _within(value, 0, 1, f"{here}.{channel}")
        for group, value in self.strength.items():
            _within(value, 0.01, 10, f"{here}.strength.{group}")

    @property
    def parts(self) -> int:
        """1, or 2 for a phone that moves from one target to another."""
        return max((len(values) for values in self.targets.values()), default=1)


@dataclass(frozen=True, slots=True, eq=False)
class Gesture:
    """A movement that must reach its goal, whatever stands around it: lips that meet, a lip that meets the teeth.

    hold:            by phone: share of the phone, from its start, in which the goal is reached
    attack, release: seconds of the way there, before the phone, and back
    min_hold:        seconds; a shorter hold is made that long
    close:           0 to 1: mouthClose becomes this share of jawOpen
    takes:           by channel: share of its value that the gesture takes away
    adds:            by channel: what the gesture adds
    """

    name: str
    hold: Mapping[str, float]
    attack: float
    release: float
    min_hold: float = 0.02
    close: float = 0.0
    takes: Mapping[str, float] = None  # type: ignore[assignment]
    adds: Mapping[str, float] = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        here = f"gestures.{self.name}"
        for key in ("hold", "takes", "adds"):
            object.__setattr__(self, key, dict(getattr(self, key) or {}))
        for symbol, share in self.hold.items():
            if symbol not in PHONES or symbol == SILENCE:
                raise UsageError(f"{here}.hold.{symbol} is no phone.", hint=f"The phones: {', '.join(PHONES[1:])}.")
            _within(share, 0, 1, f"{here}.hold.{symbol}")
        for key, low, high in (("attack", 0.01, 0.5), ("release", 0.01, 0.5), ("min_hold", 0, 0.2), ("close", 0, 1)):
            _within(getattr(self, key), low, high, f"{here}.{key}")
        for key in ("takes", "adds"):
            for channel, value in getattr(self, key).items():
                _channel(channel, f"{here}.{key}")
                _within(value, 0, 1, f"{here}.{key}.{channel}")


@dataclass(frozen=True, slots=True)
class Pauses:
    """How silence counts: a pause up to `short` seconds dominates by `weak`, one of `long` seconds or more fully."""

    short: float = 0.08
    long: float = 0.35
    weak: float = 0.15

    def __post_init__(self) -> None:
        _within(self.short, 0, 1, "pauses.short")
        _within(self.long, self.short + 0.01, 2, "pauses.long")
        _within(self.weak, 0.01, 1, "pauses.weak")


@dataclass(frozen=True, slots=True)
class Timing:
    """Where in a phone its targets hold fully: all but `edge_share` of it at each end, but at most `edge` seconds.
    A diphthong turns from its first target to its second at `turn` of its length."""

    edge: float = 0.03
    edge_share: float = 0.25
    turn: float = 0.55

    def __post_init__(self) -> None:
        _within(self.edge, 0, 0.04, "timing.edge")
        _within(self.edge_share, 0, 0.45, "timing.edge_share")
        _within(self.turn, 0.1, 0.9, "timing.turn")


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Everything that `curves` knows about phones. Every phone of PHONES but silence is there, silence asks for rest.

    Raises: UsageError: names the key that is wrong.
    """

    groups: tuple[Group, ...]
    sounds: Mapping[str, Sound]
    gestures: tuple[Gesture, ...]
    pauses: Pauses = field(default_factory=Pauses)
    timing: Timing = field(default_factory=Timing)

    def __post_init__(self) -> None:
        taken = [channel for group in self.groups for channel in group.channels]
        for channel in taken:
            if taken.count(channel) > 1:
                raise UsageError(f"channel {channel!r} stands in two groups under dominance; it may stand in one.")
        missing = [symbol for symbol in PHONES if symbol != SILENCE and symbol not in self.sounds]
        if missing:
            raise UsageError(f"phones.{missing[0]} is missing.", hint='Give it targets, or like = "<phone>".')
        for sound in self.sounds.values():
            self._check(sound, set(taken))

    def _check(self, sound: Sound, channels: set[str]) -> None:
        here, groups = f"phones.{sound.symbol}", [group.name for group in self.groups]
        if sound.symbol == SILENCE and (sound.targets or sound.like):
            raise UsageError(f"{here} may have no targets.", hint="Silence is rest; see pauses.")
        if sound.like is not None and (sound.like not in self.sounds or self.sounds[sound.like].like):
            raise UsageError(f"{here}.like must name a phone with targets of its own; got {sound.like!r}.")
        for channel in sound.targets:
            if channel not in channels:
                raise UsageError(f"{here}.{channel} is no channel of a group.", hint="See dominance.<group>.channels.")
        for group in sound.strength:
            if group not in groups:
                raise UsageError(f"{here}.strength.{group} is no group.", hint=f"The groups: {', '.join(groups)}.")

    def sound(self, symbol: str) -> Sound:
        """What a phone asks for, its `like` followed."""
        sound = self.sounds.get(symbol) or Sound(symbol)
        return self.sounds[sound.like] if sound.like else sound

    def group(self, name: str) -> Group:
        """Raises: UsageError: no such group."""
        for group in self.groups:
            if group.name == name:
                return group
        raise UsageError(f"no group {name!r}.", hint=f"The groups: {', '.join(group.name for group in self.groups)}.")

    @property
    def target_names(self) -> tuple[str, ...]:
        """One name per target: "aa", and "ay.1", "ay.2" for a phone that moves; phones that are like another have none,
        nor has silence."""
        return tuple(name for sound in self._own() for name in target_names(sound))

    def _own(self) -> list[Sound]:
        return [self.sounds[symbol] for symbol in PHONES if symbol != SILENCE and not self.sounds[symbol].like]

    def targets(self, group: str) -> Array:
        """(targets, channels of the group) float64: values in the order of target_names and of the group's channels."""
        channels = self.group(group).channels
        rows = [
            [values[min(part, len(values) - 1)] for values in (sound.targets.get(c, (0.0,)) for c in channels)]
            for sound in self._own()
            for part in range(sound.parts)
        ]
        return np.array(rows, np.float64).reshape(len(rows), len(channels))

    def with_targets(self, group: str, values: Array) -> Table:
        """The same table with other targets of one group: (targets, channels) in [0, 1], ordered as `targets`."""
        channels, sounds, row = self.group(group).channels, dict(self.sounds), 0
        if values.shape != (len(self.target_names), len(channels)):
            raise UsageError(f"targets must be ({len(self.target_names)}, {len(channels)}); got {values.shape}.")
        for sound in self._own():
            part = values[row : row + sound.parts]
            row += sound.parts
            new = {channel: tuple(float(v) for v in part[:, i]) for i, channel in enumerate(channels)}
            sounds[sound.symbol] = replace(sound, targets={**sound.targets, **new})
        return replace(self, sounds=sounds)


def target_names(sound: Sound) -> list[str]:
    """ "aa", or "ay.1" and "ay.2"."""
    return [sound.symbol] if sound.parts == 1 else [f"{sound.symbol}.{part + 1}" for part in range(sound.parts)]


def load_table(path: str | Path | None = None) -> Table:
    """Read a table; None is the one that comes with voxface.

    Raises: InputError: the file cannot be read. UsageError: it is not TOML, or a key in it is wrong; the key is named.
    """
    from voxface.articulation.table_file import read_table

    return read_table(path)


def save_table(table: Table, path: str | Path) -> None:
    """Write a table so that a person can read it and load_table gives it back to 4 decimals.

    Raises: OutputError: the place cannot be written.
    """
    from voxface.articulation.table_file import write_table

    write_table(table, path)


def _channel(name: str, key: str) -> None:
    try:
        sides(name)
    except UsageError as error:
        raise UsageError(f"{key}: {error.message}", hint=error.hint) from error


def _within(value: float, low: float, high: float, key: str) -> None:
    if not (math.isfinite(value) and low <= value <= high):
        raise UsageError(f"{key} must be a number from {low:g} to {high:g}; got {value:g}.")
