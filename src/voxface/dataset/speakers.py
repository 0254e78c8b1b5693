"""Who speaks in a recording: one name for all, or told by the folder, the file name, or a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from voxface.dataset.takes import speakers_folder
from voxface.errors import DatasetError, InputError, UsageError


@dataclass(frozen=True, slots=True)
class SpeakerRule:
    """How a capture gets its speaker.

    kind:  "name" (the same for all), "parent" (name of the folder of the capture; of a take, of the folder that holds
           the take folders), "stem" (the recording's own name:
           every recording is somebody else), "table" (looked up by the recording's name)
    name:  for "name"
    table: for "table": recording -> speaker
    """

    kind: str = "parent"
    name: str = ""
    table: Mapping[str, str] = field(default_factory=dict)

    def of(self, path: Path, name: str) -> str:
        """The speaker of the capture at `path`, whose recording is called `name`.

        Raises: DatasetError: the table does not name it.
        """
        if self.kind == "table":
            if name not in self.table:
                raise DatasetError(f"the table of speakers does not name the recording {name!r}.", source=str(path))
            return self.table[name]
        return {"name": self.name, "stem": name, "parent": speakers_folder(path).name or "speaker"}[self.kind]


def parse_speaker_rule(name: str | None, source: str | None) -> SpeakerRule:
    """From the options `--speaker NAME` and `--speaker-from parent|stem|TABLE.tsv`; neither means the folder's name.

    Raises: UsageError: both are given, or `source` is none of these. InputError: the table cannot be read.
    DatasetError: a line of it is not `recording<tab>speaker`.
    """
    if name is not None and source is not None:
        raise UsageError("--speaker and --speaker-from exclude each other.")
    if name is not None:
        if not name.strip():
            raise UsageError("the name of a speaker may not be empty.")
        return SpeakerRule("name", name.strip())
    if source is None or source in ("parent", "stem"):
        return SpeakerRule(source or "parent")
    if not source.endswith(".tsv"):
        raise UsageError(f"--speaker-from is parent, stem, or a table TABLE.tsv; got {source!r}.", source=source)
    return SpeakerRule("table", table=_read_table(Path(source)))


def _read_table(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the table of speakers {path}: {error}.", source=str(path)) from error
    table: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        recording, _, speaker = (part.strip() for part in line.partition("\t"))
        if not recording or not speaker or table.get(recording, speaker) != speaker:
            raise DatasetError(
                f"line {number} of {path} must be a recording, a tab, and its one speaker; got {line[:60]!r}.",
                source=str(path),
            )
        table[recording] = speaker
    return table
