"""One picture of every clip, so that nobody picks the pretty ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from voxface.evaluation.group import GroupReport
from voxface.evaluation.plot import draw_panels

MOST_CLIPS = 24
"""Clips of one group that a sheet has room for."""


def sheet_groups(groups: Sequence[GroupReport]) -> tuple[GroupReport, ...]:
    """The groups that a sheet shows: those of captured faces, of at most 24 clips."""
    return tuple(group for group in groups if not group.synthetic and 0 < len(group.curves) <= MOST_CLIPS)


def draw_sheet(groups: Sequence[GroupReport], path: str | Path) -> None:
    """Write every clip of these groups into one PNG picture, in the order of their names.

    Raises: MissingDependencyError: matplotlib is not installed. OutputError: the path cannot be written.
    """
    panels = [(f"{group.name}: ", curve) for group in groups for curve in group.curves]
    who = groups[0].judged.predictor if groups else "nobody"
    draw_panels(panels, f"Lip gap of every clip: true and predicted by {who}", path)
