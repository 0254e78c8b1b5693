"""Tables: in files that are mapped, with the numbers of the recordings, and larger than the memory may be."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from tests.small_training import TRAIN, tiny
from voxface.errors import LimitError, OutputError
from voxface.training import table as tables
from voxface.training.gather import Readings, Source
from voxface.training.losses import column_scale
from voxface.training.table import DataHash, build_table, table_scale

ROOT = Path(__file__).parents[1]
LARGE = """
import resource, sys
from pathlib import Path
from tests.fake_recordings import fake_recording
from tests.small_training import torch, tiny
from voxface.errors import LimitError
from voxface.training import loop
from voxface.training.gather import Readings, Source
from dataclasses import replace
torch.set_num_threads(1)
folder = Path(sys.argv[1])
long = fake_recording(1, seconds=120)
few = tiny(batch=8, steps=4, validate_every=4)
loop.train([long], [], few, folder / "warm")  # what libraries take at their first use
status = Path("/proc/self/status").read_text().splitlines()
used = sum(int(line.split()[1]) * 1024 for line in status if line.startswith("VmData"))
resource.setrlimit(resource.RLIMIT_DATA, (used + 100_000_000, resource.RLIM_INFINITY))
many = Readings([Source(f"part{i}", False, lambda i=i: replace(long, name=f"part{i}")) for i in range(30)])
print(len(many) * 120 * 100 * (80 + 60) * 4)
loop.train(many, [], few, folder / "run")
try:
    loop.train([long], [], replace(few, batch=4000, steps=8), folder / "warm", resume=True, force=True)
except LimitError as error:
    print(error)
loop.train([long], [], replace(few, steps=6), folder / "warm", resume=True, force=True)
print("resumed")
"""


def test_a_table_twice_the_allowed_memory_trains(tmp_path: Path) -> None:
    """With 100 MB to have in memory, a net learns from an hour whose table takes 200 MB. A batch that does not fit ends
    with a checkpoint and the flag to lower, and a smaller one goes on from it."""
    if not Path("/proc/self/status").exists():
        pytest.skip("needs the limits of Linux on memory")
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n" + LARGE
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    large, refused, resumed = done.stdout.splitlines()
    assert (int(large) > 200_000_000, resumed) == (True, "resumed")
    assert "step 5: out of memory" in refused
    assert "--batch" in refused


def test_nothing_is_left_of_a_table(tmp_path: Path) -> None:
    """The files of a table have no name: none is left, and the table is there all the same."""
    table = build_table(TRAIN, tiny(), tmp_path)
    assert not list(tmp_path.iterdir())
    np.testing.assert_array_equal(table.targets[table.place(2)], tables.target_rows(TRAIN[2]))
    assert not table.targets.flags.writeable


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No room for a table: exit 6 and how much it takes; a folder that is not there: exit 3."""
    if Path("/dev/full").exists():
        full = partial(Path("/dev/full").open, "wb", buffering=0)
        monkeypatch.setattr(tables.tempfile, "TemporaryFile", lambda dir: full())
        with pytest.raises(LimitError, match="no space left for the table"):
            build_table(TRAIN, tiny(), tmp_path)
    monkeypatch.undo()
    with pytest.raises(OutputError, match="cannot write a table"):
        build_table(TRAIN, tiny(), tmp_path / "nowhere")


def test_the_scale_of_columns_does_not_depend_on_the_cut() -> None:
    """Standard deviations are summed recording by recording, to the bits of one sum over all rows."""
    recipe = tiny()
    table = build_table(TRAIN, recipe)
    mask = np.concatenate([part for _, part in table.parts()])
    assert mask.shape == table.targets.shape
    whole = column_scale(lambda: [(table.targets, mask)], recipe.loss)
    np.testing.assert_array_equal(table_scale(table, recipe), whole)
    jaw = np.std(table.targets[:, 24], dtype=np.float64)
    np.testing.assert_allclose(whole[24], 1 / max(jaw, recipe.loss.least_std), rtol=1e-6)


def test_recordings_are_read_when_they_are_needed() -> None:
    """A sequence of sources reads each recording when it is asked for, every time; its hash is that of a list."""
    read: list[str] = []

    def source(number: int) -> Source:
        def one() -> object:
            read.append(TRAIN[number].name)
            return TRAIN[number]

        return Source(TRAIN[number].name, False, one)  # type: ignore[arg-type]

    readings = Readings([source(0), source(1), source(2)])
    assert not read
    assert readings[1:][0] is TRAIN[1]
    assert [one.name for one in readings] == [one.name for one in TRAIN[:3]]
    assert read == ["train1", "train0", "train1", "train2"]
    hashes = []
    for recordings in (readings, TRAIN[:3], TRAIN[:2]):
        seen = DataHash()
        assert len(list(seen.through(recordings))) == len(recordings)
        hashes.append(seen.hex())
    assert hashes[0] == hashes[1] != hashes[2]
