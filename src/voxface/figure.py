"""Pictures of curves: the only importer of matplotlib, without its global state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from voxface.errors import MissingDependencyError
from voxface.files import atomic_write


def new_figure(width_in: float, height_in: float) -> Any:
    """An empty matplotlib Figure of that size in inches, drawn without a screen.

    Raises: MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        hint = "Install it: pip install 'voxface[plot]'."
        raise MissingDependencyError("drawing curves needs matplotlib, which is not installed.", hint=hint) from error
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Any, path: str | Path) -> None:
    """Write a figure as PNG at 110 dots per inch. Raises: OutputError: the path cannot be written."""
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=110)
