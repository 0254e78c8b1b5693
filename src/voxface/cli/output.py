"""What the command line prints: results to stdout, everything else to stderr, errors as one line with their code."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TextIO

from voxface.errors import InputWarning, VoxfaceError


@dataclass
class Output:
    """Where one run of a verb prints. `say` is for people, `result` is for both."""

    quiet: bool = False
    verbose: bool = False
    debug: bool = False
    json: bool = False
    results: dict[str, Any] = field(default_factory=dict)
    warned: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """A line for people, to stderr; silent with -q and --json."""
        if not self.quiet and not self.json:
            _print(text, sys.stderr)

    def detail(self, text: str) -> None:
        """A line for the curious, with -v only."""
        if self.verbose:
            self.say(text)

    def result(self, text: str, **values: Any) -> None:
        """The answer: text to stdout, or with --json the values, printed as one object at the end."""
        self.results.update(values)
        if text and not self.json:
            _print(text, sys.stdout)

    def answer(self) -> dict[str, Any]:
        """The object of --json: all results, and the warnings if there were any."""
        return self.results | ({"warnings": self.warned} if self.warned else {})

    def problem(self, error: VoxfaceError) -> None:
        """One line for an input that failed while the run goes on."""
        if not self.json:
            _print(f"error[{error.code}]: {one_line(str(error))}", sys.stderr)

    def warn(self, warning: InputWarning) -> None:
        """One line to stderr for input that was mended; kept for --json."""
        self.warned.append(str(warning))
        if not self.json:
            _print(f"warning[{warning.code}]: {one_line(warning.message)}", sys.stderr)

    @contextlib.contextmanager
    def progress(self, what: str, total: float | None, unit: str = "") -> Iterator[Progress]:
        """A progress bar on a terminal, nothing elsewhere."""
        if self.quiet or self.json or not sys.stderr.isatty():
            yield Progress()
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
        with RichProgress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
            yield Progress(bar, bar.add_task(what, total=total))


@dataclass
class Progress:
    """A bar that can be moved, or nothing."""

    bar: Any = None
    task: Any = None

    def advance(self, amount: float = 1) -> None:
        if self.bar is not None:
            self.bar.advance(self.task, amount)

    def expect(self, total: float) -> None:
        """So much there is to do in all, which was not known before."""
        if self.bar is not None:
            self.bar.update(self.task, total=total)

    def describe(self, what: str) -> None:
        if self.bar is not None:
            self.bar.update(self.task, description=what)


@contextlib.contextmanager
def running(quiet: bool, verbose: bool, debug: bool, json: bool) -> Iterator[Output]:
    """Run a verb: warnings and errors become lines, `--json` becomes one object, the exit code follows faults.md §3."""
    out = Output(quiet, verbose, debug, json)
    with warnings.catch_warnings():
        warnings.simplefilter("default", InputWarning)
        warnings.showwarning = lambda message, *rest, **more: _show(out, message, *rest, **more)
        try:
            yield out
            if out.json:
                _print_json(out.answer())
            sys.stdout.flush()
        except VoxfaceError as error:
            raise SystemExit(report(error, out)) from error
        except KeyboardInterrupt:
            out.say("interrupted; what was finished is kept.")
            raise SystemExit(130) from None
        except BrokenPipeError:
            quiet_pipe()
            raise SystemExit(0) from None
        except RecursionError as error:
            raise SystemExit(report(VoxfaceError("the input is nested too deeply."), out)) from error
        except MemoryError as error:
            raise SystemExit(_bug(error, out, "E-MEMORY", 6)) from error
        except Exception as error:
            raise SystemExit(_bug(error, out, "E-BUG", 1)) from error


def report(error: VoxfaceError, out: Output) -> int:
    """Print an error and give its exit code."""
    if out.debug:
        traceback.print_exception(error)
    if out.json:
        body = {"code": error.code, "message": error.message, "hint": error.hint, "input": error.source}
        _print_json({"error": body} | out.answer())
    else:
        _print(f"error[{error.code}]: {one_line(str(error))}", sys.stderr)
    return error.exit_code


def _bug(error: BaseException, out: Output, code: str, exit_code: int) -> int:
    text = f"{type(error).__name__}: {error}".strip()
    hint = "This is a bug in voxface; run again with --debug and report it."
    if out.debug:
        traceback.print_exception(error)
    if out.json:
        _print_json({"error": {"code": code, "message": text, "hint": hint, "input": ""}})
    else:
        _print(f"error[{code}]: {one_line(text)} {hint}", sys.stderr)
    return exit_code


def _show(out: Output, message: Warning | str, *rest: Any, **more: Any) -> None:
    if isinstance(message, InputWarning):
        out.warn(message)
    elif out.verbose:
        out.say(f"note: {message}")


def one_line(text: str) -> str:
    """Text with control characters escaped: a file name may hold newlines or terminal codes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def quiet_pipe() -> None:
    """The reader of our stdout has gone: leave without a word, also when Python flushes at exit."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_json(value: dict[str, Any]) -> None:
    _print(json.dumps(value, allow_nan=False, ensure_ascii=False), sys.stdout)


def _print(text: str, to: TextIO) -> None:
    try:
        print(text, file=to)
    except UnicodeEncodeError:  # a console that knows only ASCII
        print(text.encode("ascii", "backslashreplace").decode("ascii"), file=to)
