"""The line that `voxface live` shows on a terminal: how loud, how open, how even, to whom."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from voxface.cli.output import Output
from voxface.face.rig import ARKIT
from voxface.live.playout import Playout
from voxface.live.sending import Output as LiveOutput

EVERY_S = 0.1
_JAW = ARKIT.index("jawOpen")
_QUIETEST_DB = -60.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What the line shows. fps: frames that went out in the last second."""

    level_db: float
    jaw: float
    fps: float
    skipped: int
    latency_ms: float
    outputs: Sequence[LiveOutput]


def line(reading: Reading, width: int, ascii_only: bool = False) -> str:
    """The line, at most `width` columns wide: what matters least is left out first."""
    bar = max(5, min(20, (width - 44) // 4))
    level = 1 - reading.level_db / _QUIETEST_DB
    parts = [
        f"{_bar(level, bar, ascii_only)} jaw {_bar(reading.jaw, bar, ascii_only)}",
        f"{reading.fps:.0f} fps",
        f"{reading.latency_ms:.0f} ms",
        *([f"{reading.skipped} skipped"] if reading.skipped else []),
        *(_told(output) for output in reading.outputs),
        f"{reading.level_db:.0f} dB",
    ]
    text = parts[0]
    for part in parts[1:]:
        if len(text) + 2 + len(part) > width:
            break
        text += "  " + part
    return text[:width]


def _bar(share: float, columns: int, ascii_only: bool) -> str:
    full = round(columns * min(max(share, 0.0), 1.0))
    on, off = ("#", ".") if ascii_only else ("█", "░")
    return on * full + off * (columns - full)


def _told(output: LiveOutput) -> str:
    scheme = output.name.partition(":")[0]
    return f"{scheme} {output.sent}" + (f" ({output.dropped} lost)" if output.dropped else "")


class Meter:
    """Shows the line at most ten times a second; nothing with -q or --json, or where standard error is no terminal."""

    def __init__(self, out: Output, playout: Playout) -> None:
        self._playout, self._live = playout, None
        self._drawn_s, self._shown, self._fps = math.inf, 0, 0.0
        if not (out.quiet or out.json) and sys.stderr.isatty():
            self._live = _begun()

    def show(self, level_db: Any) -> None:
        """Draw the line if it is time to. level_db: called for the level only then."""
        now_s, playout = time.monotonic(), self._playout
        self._drawn_s = min(self._drawn_s, now_s)
        past_s = now_s - self._drawn_s
        if self._live is None or past_s < EVERY_S:
            return
        measured = (playout.shown - self._shown) / past_s
        self._fps = 0.8 * self._fps + 0.2 * measured if self._fps else measured
        self._drawn_s, self._shown = now_s, playout.shown
        jaw = 0.0 if playout.last is None else float(playout.last.weights[_JAW])
        reading = Reading(level_db(), jaw, self._fps, playout.skipped, 1000 * playout.delay_s, playout.outputs)
        from rich.text import Text

        console = self._live.console
        self._live.update(Text(line(reading, console.width - 1, console.options.ascii_only)), refresh=True)

    def close(self) -> None:
        """Take the line away."""
        if self._live is not None:
            self._live.stop()


def _begun() -> Any:
    from rich.console import Console
    from rich.live import Live

    live = Live(console=Console(stderr=True), auto_refresh=False, transient=True, redirect_stdout=False)
    live.start()
    return live
