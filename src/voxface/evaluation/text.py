"""Numbers and tables as Markdown that also lines up as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from voxface.evaluation.metrics import Mean


def mean_text(mean: Mean, places: int = 3) -> str:
    """`0.812 ± 0.010`; without the error where one clip gives none."""
    if mean.value is None:
        return "–"
    return f"{mean.value:.{places}f}" + ("" if mean.error is None else f" ± {mean.error:.{places}f}")


def signed_text(mean: Mean) -> str:
    """`+0.812 ± 0.010`."""
    return mean_text(mean) if mean.value is None or mean.value < 0 else f"+{mean_text(mean)}"


def number_text(value: float | None, places: int = 3) -> str:
    """A number, or a dash for what is not known."""
    return "–" if value is None else f"{value:.{places}f}"


def lag_text(lag_ms: float | None) -> str:
    """`+30`, in ms."""
    return "–" if lag_ms is None else f"{lag_ms:+.0f}"


def markdown_table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up as plain text."""
    widths = [max(len(row[i]) for row in (head, *lines)) for i in range(len(head))]
    rows = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in (head, *lines)]
    rows.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
