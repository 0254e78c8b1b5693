"""Fits the articulation table to captured faces whose phones are known.

In this order: the capture's lag; targets of jaw and lips by least squares (fit_opening); how strongly each phone
insists on its jaw, and how fast the jaw comes and goes, by small steps that each must pay; how long the lips take to
close and part; how far rounded phones pucker (fit_rounding); last the scale, so that the channels have the range of a
real ARKit capture (RESEARCH A5). What trackers from video see badly keeps its shape: the funnel, spread and tucked
lips, the tongue.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

import voxface.articulation
from voxface.articulation.channels import places
from voxface.articulation.curves import smooth_curves
from voxface.articulation.gestures import apply_gestures, envelopes
from voxface.articulation.phones import phone_rows
from voxface.articulation.table import Table
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT
from voxface.stream import Array
from voxface.synth.fit_opening import Fit, Opening, changed, fit_opening, prepare
from voxface.synth.fit_rounding import fit_rounding
from voxface.synth.takes import Take, capture_lag, earlier

HAND_TABLE = Path(voxface.articulation.__file__).with_name("hand.toml")
"""The table as it was written by hand, where the fit of the shipped one began."""


@dataclass(frozen=True, slots=True)
class FitConfig:
    """How the table is fitted.

    ridge:      rows of speech that what is known before counts for, per target
    pucker_ridge: the same for the pucker, which trackers see less well
    jaw_weight: how much an error of jawOpen counts beside one of the lip gap
    step:       factor by which strengths, rates and times are changed at a time
    reach:      no strength or target leaves what is known before by more than this factor
    rate_reach: nor does a rate by more than this one
    gain:       share of the squared error that a step must remove to be kept
    searched:   takes that the search looks at, evenly chosen; targets are fitted to all
    least_rows: strengths are searched only for phones that dominate this many rows of those
    held:       phones whose jaw insists as much as before, whatever trackers say. Sibilants need their teeth close
                (P. Keating et al., "Variability in jaw height for segments in English and Swedish", J. Phonetics 22
                (1994)); behind the lips of p b m f v the jaw is free, but trackers close it with them
    way_s:      shortest and longest time in which lips close or part; below 40 ms they would jump at 25 frames a second
    tops:       95th percentile of each channel over all rows with speech; no target is more than `most` times that
    """

    ridge: float = 400.0
    pucker_ridge: float = 800.0
    jaw_weight: float = 0.1
    step: float = 1.6
    reach: float = 3.0
    rate_reach: float = 2.0
    gain: float = 0.002
    searched: int = 225
    least_rows: float = 100.0
    held: tuple[str, ...] = ("s", "sh", "p", "f")
    way_s: tuple[float, float] = (0.04, 0.12)
    most: float = 1.6
    tops: Mapping[str, float] = field(
        default_factory=lambda: {
            "jawOpen": 0.25, "mouthLowerDown": 0.3, "mouthUpperUp": 0.25, "mouthFunnel": 0.3, "mouthPucker": 0.3,
        }
    )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """table: the new one. lag_rows: how late the captured face was. steps: what the search changed, in words."""

    table: Table
    lag_rows: int
    steps: tuple[str, ...]


def fit_table(
    takes: Sequence[Take], table: Table, config: FitConfig | None = None, tell: Callable[[str], Any] = lambda _: None
) -> Fitted:
    """Fit a table to takes; the same takes give the same table.

    Args:
        takes: as they were captured; their lag is found here.
        table: where to begin, and what is kept where the takes say nothing.
        tell: is called with a line for people at every stage.
    """
    config = config or FitConfig()
    closure = max(table.gestures, key=lambda gesture: gesture.close, default=None)
    lag = capture_lag(takes, closure.hold if closure else {})
    tell(f"the captured faces are {10 * lag} ms late")
    moved = [earlier(take, lag) for take in takes]
    some = moved[:: max(1, len(moved) // config.searched)]
    table, steps = _search_dominance(some, table, config, tell)
    table = _fit(prepare(moved, table), table, config).table
    table = fit_rounding(moved, table, ridge=config.pucker_ridge, reach=config.reach)
    table, more = _search_gestures(some, table, config)
    return Fitted(scaled(table, moved, config.tops, config.most), lag, (*steps, *more))


def _fit(opening: Opening, table: Table, config: FitConfig) -> Fit:
    return fit_opening(opening, table, ridge=config.ridge, jaw_weight=config.jaw_weight, reach=config.reach)


def _search_dominance(
    takes: Sequence[Take], table: Table, config: FitConfig, tell: Callable[[str], Any]
) -> tuple[Table, list[str]]:
    """Change one rate or strength after the other, up or down, as long as the fit gains; targets follow every step."""
    opening, steps = prepare(takes, table), []
    cost = _fit(opening, table, config).cost
    for knob in _knobs(opening, table, config):
        old = knob.get(table)
        for factor in (config.step, 1 / config.step):
            while old / knob.reach < knob.get(table) * factor < old * knob.reach:
                tried = knob.set(table, knob.get(table) * factor)
                tried_opening = changed(opening, tried, "jaw")
                tried_cost = _fit(tried_opening, tried, config).cost
                if tried_cost > cost * (1 - config.gain):
                    break
                table, opening, cost = tried, tried_opening, tried_cost
            if knob.get(table) != old:
                steps.append(f"{knob.name} {old:.3g} -> {knob.get(table):.3g}")
                tell(steps[-1])
                break
    return table, steps


@dataclass(frozen=True, slots=True)
class Knob:
    """One number of a table: its name, by which factor it may change, how to read it, how to set it in a new table."""

    name: str
    reach: float
    get: Callable[[Table], float]
    set: Callable[[Table, float], Table]


def _knobs(opening: Opening, table: Table, config: FitConfig) -> Iterable[Knob]:
    """Rates of the jaw, and its strength in every phone that is said often enough."""
    yield from (_rate("jaw", name, config.rate_reach) for name in ("rise", "fall"))
    said = sum(share[free].sum(axis=0) for share, free in zip(opening.shares["jaw"], opening.free, strict=True))
    rows: dict[str, float] = {}
    for name, count in zip(table.target_names, np.atleast_1d(said), strict=True):
        rows[name.split(".")[0]] = rows.get(name.split(".")[0], 0.0) + float(count)
    for symbol, count in rows.items():
        if count >= config.least_rows and symbol not in config.held:
            yield _strength("jaw", symbol, config.reach)


def _one(name: str, value: float) -> dict[str, Any]:
    return {name: value}


def _rate(group: str, name: str, reach: float) -> Knob:
    def put(table: Table, value: float) -> Table:
        new = [replace(one, **_one(name, value)) if one.name == group else one for one in table.groups]
        return replace(table, groups=tuple(new))

    return Knob(f"{group} {name}", reach, lambda table: float(getattr(table.group(group), name)), put)


def _strength(group: str, symbol: str, reach: float) -> Knob:
    def get(table: Table) -> float:
        return table.sounds[symbol].strength.get(group, table.group(group).strength)

    def put(table: Table, value: float) -> Table:
        sound = table.sounds[symbol]
        new = replace(sound, strength={**sound.strength, group: value})
        return replace(table, sounds={**table.sounds, symbol: new})

    return Knob(f"{group} of {symbol}", reach, get, put)


def _search_gestures(takes: Sequence[Take], table: Table, config: FitConfig) -> tuple[Table, list[str]]:
    """Change the times in which the lips close and part, as long as the lip gap gains."""
    smooth = [smooth_curves(take.phones, take.rows, table) for take in takes]
    cost, steps = _gap_error(takes, smooth, table), []
    for i, gesture in enumerate(table.gestures):
        for name in ("attack", "release"):
            knob, old = _way(i, name), getattr(gesture, name)
            for factor in (config.step**0.5, config.step**-0.5):
                while config.way_s[0] <= knob.get(table) * factor <= config.way_s[1]:
                    tried = knob.set(table, knob.get(table) * factor)
                    tried_cost = _gap_error(takes, smooth, tried)
                    if tried_cost > cost * (1 - config.gain):
                        break
                    table, cost = tried, tried_cost
            if knob.get(table) != old:
                steps.append(f"{gesture.name} {name} {old:.3g} -> {knob.get(table):.3g} s")
    return table, steps


def _way(place: int, name: str) -> Knob:
    def put(table: Table, value: float) -> Table:
        new = [replace(one, **_one(name, value)) if i == place else one for i, one in enumerate(table.gestures)]
        return replace(table, gestures=tuple(new))

    return Knob(name, np.inf, lambda table: float(getattr(table.gestures[place], name)), put)


def _gap_error(takes: Sequence[Take], smooth: Sequence[Array], table: Table) -> float:
    """Sum of squared errors of the lip gap, gestures included."""
    total = 0.0
    for take, curve in zip(takes, smooth, strict=True):
        face = curve.copy()
        apply_gestures(face, table.gestures, envelopes(table.gestures, take.phones, take.rows))
        error = (rig_gap(np.clip(face, 0, 1), ARKIT) - take.gap)[take.valid]
        total += float(error @ error)
    return total


def scaled(table: Table, takes: Sequence[Take], tops: Mapping[str, float], most: float) -> Table:
    """The table with channels stretched so that in speech their 95th percentile between gestures is as given; targets
    are cut at `most` times that."""
    speech = np.concatenate(
        [smooth_curves(take.phones, take.rows, table)[phone_rows(take.phones, take.rows) != 0] for take in takes]
    )
    for group in table.groups:
        values = table.targets(group.name)
        for i, channel in enumerate(group.channels):
            top = float(np.percentile(speech[:, places(channel)[0]], 95)) if len(speech) else 0.0
            if channel in tops and top > 0:
                values[:, i] = np.minimum(values[:, i] * tops[channel] / top, most * tops[channel])
        table = table.with_targets(group.name, np.clip(values, 0, 1))
    return table
