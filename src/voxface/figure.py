"""Pictures of curves: the only importer of matplotlib, without its global state."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from voxface.errors import MissingDependencyError, UsageError
from voxface.files import atomic_write

FORMATS = {".png": "png", ".svg": "svg", ".pdf": "pdf"}
"""What a figure can be written as, by suffix."""

PNG_DPI = 110
"""Dots per inch of a PNG; a figure of 10 inches is 1100 pixels wide."""


def new_figure(width_in: float, height_in: float, layout: Literal["constrained"] | None = "constrained") -> Any:
    """An empty matplotlib Figure of that size in inches, drawn without a screen.

    Args:
        layout: matplotlib's layout engine; None: panels stay where they are put.
    Raises: MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        hint = "Install it: pip install 'voxface[plot]'."
        raise MissingDependencyError("drawing curves needs matplotlib, which is not installed.", hint=hint) from error
    figure = Figure(figsize=(width_in, height_in), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def figure_format(path: str | Path) -> str:
    """The format that a name asks for. Raises: UsageError: its suffix is none of FORMATS."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(f"a picture of curves is written as {', '.join(FORMATS)}; got {path}.", source=str(path))
    return FORMATS[suffix]


def save_figure(figure: Any, path: str | Path) -> None:
    """Write a figure as the suffix of its name says; the same figure gives the same bytes.

    Raises: UsageError: another suffix. OutputError, LimitError: the path cannot be written.
    """
    kind = figure_format(path)
    from matplotlib import rc_context

    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    whole: dict[Any, Any] = {"svg.hashsalt": "voxface", "svg.fonttype": "none", "image.composite_image": False}
    with atomic_write(path) as file, rc_context(whole):
        figure.savefig(file, format=kind, dpi=PNG_DPI, metadata=undated)
