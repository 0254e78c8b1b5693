"""Forced alignment: moves the phones of known words to where they are heard.

Every phone is a chain of three states, each state a Gaussian over cepstra. The Gaussians are learned from the very
recordings: from phones shared out by typical lengths, the best path through every recording is found (Viterbi), the
Gaussians are fitted to it, and so on. No model of others is needed, and the result is the same on every run.

Source: L. R. Rabiner, "A tutorial on hidden Markov models", Proc. IEEE 77 (1989), segmental k-means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voxface.articulation.phones import PHONES, Phone
from voxface.stream import Array
from voxface.synth.cepstra import STEP_S, cepstra

STATES = 3
"""States of a phone; each takes at least one step, so that a phone lasts 15 ms or more."""

ROUNDS = 6
"""Of path and fit; on GRID s1, 2 % of the steps change their state in the sixth, 1.4 % in the eighth."""

_PRIOR = 10.0  # steps: how much the mean over everything counts in the Gaussian of a state
_PRIOR_SPREAD = 50.0  # steps: how much the spread within all states counts
_LEAST_SPREAD = 1e-3  # of features with variance 1
_OUTSIDE = -1e4  # per step outside the word: so bad that it happens only where a word has no room for its states
_BATCH = 256  # recordings worked on at a time


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """What is to be aligned.

    samples: (n,) float32 at 16 kHz
    phones:  where they may be, in the order of time, without gaps
    spans:   for every phone, the seconds from and to which it may move: those of its word
    """

    samples: Array
    phones: tuple[Phone, ...]
    spans: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Task:
    """One utterance in numbers: features (steps, width), chain (states,), earliest and latest step of every state."""

    features: Array
    chain: Array
    first: Array
    last: Array


@dataclass(frozen=True, slots=True, eq=False)
class _Voices:
    """Gaussians: mean and variance, each (phones * STATES, width)."""

    mean: Array
    variance: Array

    def scores(self, features: Array) -> Array:
        """(..., width) -> (..., phones * STATES) float32: log density, but for a constant."""
        sharp = 1 / self.variance
        constant = (self.mean**2 * sharp).sum(axis=1) + np.log(self.variance).sum(axis=1)
        found = -0.5 * (features**2 @ sharp.T + constant) + features @ (self.mean * sharp).T
        scores: Array = found.astype(np.float32)
        return scores


def align(utterances: Sequence[Utterance], rounds: int = ROUNDS) -> list[tuple[Phone, ...]]:
    """The phones of every utterance where they are heard, to 5 ms. More recordings make better Gaussians."""
    if not utterances:
        return []
    features = _standardised([cepstra(one.samples) for one in utterances])
    tasks = [_task(one, values) for one, values in zip(utterances, features, strict=True)]
    paths = [_even_path(one, len(values)) for one, values in zip(utterances, features, strict=True)]
    for _ in range(rounds):
        voices = _fit(tasks, paths)
        paths = [
            path for at in range(0, len(tasks), _BATCH) for path in _best_paths(tasks[at : at + _BATCH], voices)
        ]  # fmt: skip
    return [_phones(one, path) for one, path in zip(utterances, paths, strict=True)]


def _standardised(features: Sequence[Array]) -> list[Array]:
    """The same with mean 0 and variance 1 over all recordings."""
    everything = np.concatenate(features)
    mean, spread = everything.mean(axis=0), np.maximum(everything.std(axis=0), 1e-6)
    return [(values - mean) / spread for values in features]


def _task(one: Utterance, features: Array) -> _Task:
    spans = np.array(one.spans, np.float64).reshape(-1, 2) / STEP_S
    first, last = np.repeat(np.ceil(spans[:, 0] - 1e-6), STATES), np.repeat(np.floor(spans[:, 1] + 1e-6), STATES)
    kinds = [PHONES.index(phone.symbol) * STATES + state for phone in one.phones for state in range(STATES)]
    return _Task(features, np.array(kinds, np.int64), first, last)


def _even_path(one: Utterance, steps: int) -> Array:
    """(steps,) place in the chain: every phone cut into equal states."""
    shares = np.arange(STATES) / STATES
    starts = [phone.start_s + share * (phone.end_s - phone.start_s) for phone in one.phones for share in shares]
    path = np.searchsorted(np.array(starts), np.arange(steps) * STEP_S + 1e-9, "right") - 1
    return np.clip(path, 0, len(starts) - 1)


def _fit(tasks: Sequence[_Task], paths: Sequence[Array]) -> _Voices:
    """Gaussians of the steps that every state has taken; a state with few leans on all the others."""
    features = np.concatenate([task.features for task in tasks]).astype(np.float64)
    kinds = np.concatenate([task.chain[path] for task, path in zip(tasks, paths, strict=True)])
    count = np.bincount(kinds, minlength=len(PHONES) * STATES)[:, None]
    total, squares = _sums(features, kinds), _sums(features**2, kinds)
    mean = total / (count + _PRIOR)  # the mean of everything is 0
    spread = np.maximum(squares / np.maximum(count, 1) - 2 * mean * total / np.maximum(count, 1) + mean**2, 0)
    pooled = (spread * count).sum(axis=0) / max(count.sum(), 1)
    variance = (spread * count + pooled * _PRIOR_SPREAD) / (count + _PRIOR_SPREAD)
    return _Voices(mean, np.maximum(variance, _LEAST_SPREAD))


def _sums(values: Array, kinds: Array) -> Array:
    """(phones * STATES, width): the values of every kind added up."""
    count = len(PHONES) * STATES
    return np.stack([np.bincount(kinds, column, count) for column in values.T], axis=1)


def _best_paths(tasks: Sequence[_Task], voices: _Voices) -> list[Array]:
    """The best path of each task: it begins in the first state, stays or goes on at every step, ends in the last."""
    steps, states = max(len(t.features) for t in tasks), max(len(t.chain) for t in tasks)
    chain, first, last = (np.zeros((len(tasks), states)) for _ in range(3))
    features = np.zeros((len(tasks), steps, tasks[0].features.shape[1]), np.float32)
    for i, task in enumerate(tasks):
        chain[i, : len(task.chain)], features[i, : len(task.features)] = task.chain, task.features
        first[i, : len(task.chain)], last[i, : len(task.chain)] = task.first, task.last
    entered = _forward(voices, features, chain.astype(np.int64), first, last)
    return [_backward(entered[i], len(task.features), len(task.chain)) for i, task in enumerate(tasks)]


def _forward(voices: _Voices, features: Array, chain: Array, first: Array, last: Array) -> Array:
    """(tasks, steps, states) bool: whether the best way to be in a state at a step has just entered it."""
    tasks, steps, _ = features.shape
    every = np.arange(tasks)[:, None]
    entered = np.zeros((tasks, steps, chain.shape[1]), bool)
    best = np.full(chain.shape, -np.inf, np.float64)
    for step in range(steps):
        before = np.concatenate([np.full((tasks, 1), -np.inf if step else 0.0), best[:, :-1]], axis=1)
        entered[:, step] = before > best
        best = np.maximum(best, before) + voices.scores(features[:, step])[every, chain]
        best += _OUTSIDE * ((step < first) | (step > last))
    return entered


def _backward(entered: Array, steps: int, states: int) -> Array:
    """(steps,) place in the chain."""
    path = np.zeros(steps, np.int64)
    state = states - 1
    for step in range(steps - 1, -1, -1):
        path[step] = state
        state -= int(entered[step, state] and state > 0)
    return path


def _phones(one: Utterance, path: Array) -> tuple[Phone, ...]:
    """The phones between the steps at which the path enters them; a boundary lies half a step before its step."""
    firsts = np.searchsorted(path, np.arange(len(one.phones)) * STATES)
    times = np.append(np.maximum(firsts - 0.5, 0), len(path) - 0.5) * STEP_S
    return tuple(
        Phone(phone.symbol, float(times[i]), float(times[i + 1]), phone.stress) for i, phone in enumerate(one.phones)
    )
