"""What a speech engine is asked and what it answers, and how a helper process says it over its pipes.

The helper reads one JSON object per line, {"text": ..., "stretch": ...}, and answers each at once with a line
{"rate": Hz, "samples": n, "labels": [[name, start_s, end_s, stress], ...]} and n 16-bit samples (of this machine's
byte order) behind it; n is 0 for a text it cannot say. What it answered before it died still counts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Label = tuple[str, float, float, int]
"""A segment as the engine has it: name, start and end in seconds, stress 0 to 2."""


@dataclass(frozen=True, slots=True)
class Request:
    """A text to say; stretch 1.2 takes a fifth longer than the voice would."""

    text: str
    stretch: float = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine said: 16-bit mono samples as bytes, their rate, and the segments as the engine has them."""

    rate_hz: int
    samples: bytes
    labels: tuple[Label, ...]


def write_requests(requests: Sequence[Request]) -> bytes:
    """Requests as the helper reads them."""
    lines = (json.dumps({"text": one.text, "stretch": one.stretch}) for one in requests)
    return "".join(f"{line}\n" for line in lines).encode()


def read_answers(output: bytes) -> Iterator[Answer]:
    """The answers that came whole; what a dying helper wrote half is left out."""
    at = 0
    while (end := output.find(b"\n", at)) >= 0:
        try:
            head = json.loads(output[at:end])
            size = 2 * int(head["samples"])
            labels = tuple((str(n), float(a), float(b), int(s)) for n, a, b, s in head["labels"])
            rate = int(head["rate"])
        except (ValueError, KeyError, TypeError):
            return
        samples = output[end + 1 : end + 1 + size]
        if len(samples) < size:
            return
        yield Answer(rate, samples, labels)
        at = end + 1 + size


def serve(say: Callable[[str, float], Answer]) -> None:
    """The helper's main loop: answer the requests on stdin until there are no more."""
    for line in sys.stdin:
        asked = json.loads(line)
        answer = say(str(asked["text"]), float(asked["stretch"]))
        head = {"rate": answer.rate_hz, "samples": len(answer.samples) // 2, "labels": answer.labels}
        sys.stdout.buffer.write(json.dumps(head).encode() + b"\n" + answer.samples)
        sys.stdout.buffer.flush()
