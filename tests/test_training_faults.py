"""What goes wrong while training (faults.md T1 to T10): the last good state is on disk, and what happened is named."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.small_training import HELD_OUT, TRAIN, tiny, torch
from voxface import files
from voxface.errors import CheckpointError, InputWarning, LimitError, TrainingError
from voxface.models.tcn import Tcn
from voxface.training import loop
from voxface.training.checkpoint import FILE_NAME, load_checkpoint, save_checkpoint
from voxface.training.data import Batch, Material, make_batch
from voxface.training.feed import Feed
from voxface.training.log import Lines
from voxface.training.recipes import Recipe
from voxface.training.team import Machine

pytestmark = pytest.mark.usefixtures("one_thread")

packed = pytest.importorskip("safetensors.torch").save
LEFT = (FILE_NAME, "best.safetensors", "log.csv", "validation.csv")


def same(one: Path, other: Path) -> bool:
    """Two runs left the same bytes."""
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in LEFT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("whole")
    torch.set_num_threads(1)
    loop.train(TRAIN, HELD_OUT, tiny(), folder)
    return folder


def resumed(folder: Path, **how: Any) -> Path:
    loop.train(TRAIN, HELD_OUT, tiny(), folder, resume=True, **how)
    return folder


# T1


def test_a_kill_at_any_instant_of_writing_leaves_a_whole_checkpoint(whole: Path, tmp_path: Path) -> None:
    """SIGKILL before and after every call that writing a checkpoint makes: what lies there is the old one or the new
    one, whole, and a second attempt succeeds."""
    path = tmp_path / FILE_NAME
    old, tensors = load_checkpoint(whole)
    new, found, events = replace(old, step=old.step + 1), set(), 0
    while True:
        save_checkpoint(path, old, tensors)
        if not _killed(lambda: save_checkpoint(path, new, tensors), events):
            break
        found.add(load_checkpoint(path)[0].step)
        events += 1
    assert load_checkpoint(path)[0].step == new.step
    assert found == {old.step, new.step}
    assert events > 20


def _killed(work: Callable[[], None], events: int) -> bool:
    """Do some work in a forked child that is killed before or after its n-th call that may touch the disk; False: it
    got through."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # newer Pythons dislike a fork beside threads; the child only writes files
        child = os.fork()
    if child == 0:
        left = [events]

        def look(frame: Any, event: str, argument: Any) -> None:
            if event in ("c_call", "c_return") and frame.f_code.co_filename.endswith(("/files.py", "/tempfile.py")):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(look)
        work()
        sys.setprofile(None)
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


# T2


@pytest.mark.parametrize("loaders", [1, 4])
def test_threads_of_batches_change_nothing(loaders: int, whole: Path, tmp_path: Path) -> None:
    """Stopped and resumed, with one or four threads that make batches: the bytes of the undisturbed run."""
    machine = Machine(loaders=loaders)
    loop.train(TRAIN, HELD_OUT, tiny(), tmp_path, stop_at=5, machine=machine)
    assert same(resumed(tmp_path, machine=machine), whole)


# T4


def test_steps_that_are_not_finite_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step with a NaN is left out, counted and logged, and its recording is named; the weights stay finite and
    training goes on."""
    poisoned = _poison(monkeypatch, lambda step: step == 3)
    with pytest.warns(InputWarning, match=r"W-SKIPPED.*step 4 was left out.*train") as caught:
        loop.train(TRAIN, HELD_OUT, tiny(), tmp_path)
    header, tensors = load_checkpoint(tmp_path)  # refuses weights that are not finite
    assert (header.step, header.skipped, header.blamed) == (12, 1, {poisoned[0]: 1})
    assert str(caught[0].message).endswith(f": {poisoned[0]}.")
    line = (tmp_path / "log.csv").read_text().splitlines()[4].split(",")
    assert (line[0], line[1], line[-1]) == ("4", "nan", "1")
    assert float(tensors["optimizer.enter.weight.step"]) == 11


def test_ten_bad_steps_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After more than ten bad steps training ends, names the recordings that were in most of them, and leaves the
    weights of before."""
    loop.train(TRAIN, HELD_OUT, tiny(steps=50), tmp_path / "good", stop_at=2)
    _poison(monkeypatch, lambda step: step >= 2)
    with pytest.warns(InputWarning), pytest.raises(TrainingError, match=r"train\d \(\d+ times\)"):
        loop.train(TRAIN, HELD_OUT, tiny(steps=50), tmp_path / "bad")
    header, tensors = load_checkpoint(tmp_path / "bad")
    assert (header.step, header.skipped, sum(header.blamed.values())) == (13, 11, 11)
    for name, good in load_checkpoint(tmp_path / "good")[1].items():
        assert name == "random" or torch.equal(tensors[name], good), name


def test_garbage_that_is_finite_moves_the_weights_no_further_than_a_step(tmp_path: Path) -> None:
    """A recording whose lip gap is a thousand times too large: the cut gradient keeps every step as small as any
    other, and what is learned stays finite. It is not found out: the quality report of the dataset is for that."""
    mad = replace(TRAIN[0], gap_scale=1000.0)
    recipe = tiny(learning_rate=1e-3)
    loop.train([mad, *TRAIN[1:]], HELD_OUT, recipe, tmp_path)
    _, tensors = load_checkpoint(tmp_path)
    torch.manual_seed(recipe.seed)
    for name, begun in Tcn(recipe.config).state_dict().items():
        assert float((tensors[f"model.{name}"] - begun).abs().max()) < 12 * 2 * recipe.learning_rate, name


def _poison(monkeypatch: pytest.MonkeyPatch, bad: Any) -> list[str]:
    """NaN in the first crop of some batches. Gives the names of the recordings, as they come."""
    names: list[str] = []

    def poisoned(material: Material, recipe: Recipe, step: int) -> Batch:
        batch = make_batch(material, recipe, step)
        if bad(step):
            batch.rows[0, -1, 0] = np.nan
            names.append(batch.names[0])
        return batch

    monkeypatch.setattr(loop, "make_batch", poisoned)
    return names


# T5


def test_a_batch_that_hangs_ends_the_run_with_a_sentence(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that does not come in time is an error that says so; the checkpoint is of the step before, and resuming
    gives the bytes of an undisturbed run. The hanging thread keeps nobody waiting."""
    for_ever = threading.Event()

    def hangs(material: Material, recipe: Recipe, step: int) -> Batch:
        if step == 5:
            for_ever.wait(30)
        return make_batch(material, recipe, step)

    monkeypatch.setattr(loop, "make_batch", hangs)
    began = time.monotonic()
    with pytest.raises(TrainingError, match=r"step 6 was not made within 2 s"):
        loop.train(TRAIN, HELD_OUT, tiny(), tmp_path, machine=Machine(patience_s=2.0))
    assert time.monotonic() - began < 20
    for_ever.set()
    monkeypatch.undo()
    assert load_checkpoint(tmp_path)[0].step == 5
    assert same(resumed(tmp_path), whole)


def test_a_batch_that_cannot_be_made_says_why() -> None:
    """What a thread raises comes out where the batch is asked for, at its step and not before."""

    def make(step: int) -> Batch:
        if step == 4:
            raise OSError("the disk is gone")
        return step  # type: ignore[return-value]

    with Feed(make, 3, threads=2) as feed:
        assert feed.take() == 3
        with pytest.raises(OSError, match="the disk is gone"):
            feed.take()


# T6


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), MemoryError("60 GiB")])
def test_without_memory_a_checkpoint_is_left(
    error: Exception, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory that runs out in the middle of a step: exit 6 with the batch size to lower, and the state before the step,
    the generator of dropout included."""
    _fail_at(monkeypatch, 7, error)
    with pytest.raises(LimitError, match=r"step 7: out of memory.*checkpoint was written.*--batch"):
        loop.train(TRAIN, HELD_OUT, tiny(), tmp_path)
    monkeypatch.undo()
    assert load_checkpoint(tmp_path)[0].step == 6
    assert same(resumed(tmp_path), whole)


def test_a_device_that_fails_leaves_the_last_checkpoint(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU that falls off the bus cannot be asked for its weights: exit 6, and the checkpoint before stands."""
    if not hasattr(torch, "AcceleratorError"):
        pytest.skip("this torch has no error of its own for devices that fail")
    _fail_at(monkeypatch, 7, torch.AcceleratorError("CUDA error: device unavailable"))
    with pytest.raises(LimitError, match=r"the device failed.*checkpoint before stands"):
        loop.train(TRAIN, HELD_OUT, tiny(), tmp_path)
    monkeypatch.undo()
    assert load_checkpoint(tmp_path)[0].step == 4
    assert same(resumed(tmp_path), whole)


def _fail_at(monkeypatch: pytest.MonkeyPatch, step: int, error: Exception) -> None:
    """The net's work of a step ends with an error, after dropout was drawn."""
    calls, honest = [0], Tcn.thinned

    def fails(net: Tcn, rows: Any, every: int) -> Any:
        out = honest(net, rows, every)
        calls[0] += 1
        if calls[0] == step:
            raise error
        return out

    monkeypatch.setattr(Tcn, "thinned", fails)


# T7


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    """The first Ctrl-C asks, the second one does not wait for the step: no checkpoint of it."""

    def impatient(step: int, values: dict[str, float]) -> None:
        if step == 6:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        loop.train(TRAIN, HELD_OUT, tiny(), tmp_path, report=impatient)
    assert load_checkpoint(tmp_path)[0].step == 4


# T8


def test_a_log_on_a_full_disk_does_not_end_training(whole: Path, tmp_path: Path) -> None:
    """log.csv on a device that is always full: one warning, training goes on to the same checkpoint."""
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    (tmp_path / "log.csv").symlink_to("/dev/full")
    with pytest.warns(InputWarning, match="W-LOG") as caught:
        loop.train(TRAIN, HELD_OUT, tiny(), tmp_path)
    assert [str(one.message).split(" ", 2)[2].split(" (")[0] for one in caught] == [
        "cannot be written now",
        "lacks its last lines: the disk did not take them.",
    ]
    assert (tmp_path / FILE_NAME).read_bytes() == (whole / FILE_NAME).read_bytes()


def test_lines_wait_until_the_disk_takes_them(tmp_path: Path) -> None:
    """A disk that takes half a line and then no more, and has room again later: the file is whole in the end."""
    lines = Lines(tmp_path / "log.csv", 0)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (25, hard))
        for step in (1, 2):
            lines.add(step, {"loss": step / 4})
        with pytest.warns(InputWarning, match="W-LOG"):
            lines.add(3, {"loss": 0.75})
        assert (tmp_path / "log.csv").stat().st_size == 25
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        signal.signal(signal.SIGXFSZ, before)
    lines.add(4, {"loss": 1})
    lines.close()
    assert (tmp_path / "log.csv").read_text() == "step,loss\n1,0.25\n2,0.5\n3,0.75\n4,1\n"


def test_a_checkpoint_on_a_full_disk_leaves_the_one_before(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room for the checkpoint of step 8: exit 6, that of step 4 is whole, and once there is room all goes on."""
    full = [0]

    def fsync(handle: int) -> None:
        full[0] += load_checkpoint(tmp_path)[0].step >= 4 if (tmp_path / FILE_NAME).exists() else 0
        if full[0] > 2:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(LimitError, match="no space left"):
        loop.train(TRAIN, HELD_OUT, tiny(), tmp_path)
    monkeypatch.undo()
    assert load_checkpoint(tmp_path)[0].step == 4
    assert not list(tmp_path.glob("*.part"))
    assert same(resumed(tmp_path), whole)


# T9


def test_another_machine_is_refused_and_force_is_remembered(tmp_path: Path) -> None:
    """Other processes, precision or versions may change the last bits: resuming names them. By force it goes on, and
    the checkpoint says so ever after, also of a recipe and a dataset that changed."""
    loop.train(TRAIN, HELD_OUT, tiny(), tmp_path, stop_at=4)
    header, tensors = load_checkpoint(tmp_path)
    elsewhere = header.place | {"processes": 2, "voxface": "0.0.9"}
    save_checkpoint(tmp_path / FILE_NAME, replace(header, place=elsewhere), tensors)
    with pytest.raises(CheckpointError, match=r"processes 2 is now 1; voxface '0\.0\.9' is now .*--force"):
        resumed(tmp_path)
    loop.train(TRAIN[:-1], HELD_OUT, tiny(batch=6), tmp_path, resume=True, force=True, stop_at=6)
    loop.train(TRAIN[:-1], HELD_OUT, tiny(batch=6), tmp_path, resume=True)
    forced, best = load_checkpoint(tmp_path)[0].forced, load_checkpoint(tmp_path)[0].best
    assert best["step"] > 4  # what was best on other recordings is none
    assert [one["step"] for one in forced] == [4, 4]
    told = "; ".join(text for one in forced for text in one["differences"])
    assert "recipe.batch 4 is now 6" in told
    assert "processes 2 is now 1" in told
    assert "dataset sha256" in told


# T10


def test_a_checkpoint_of_version_2_goes_on(whole: Path, tmp_path: Path) -> None:
    """The version before knew less of itself; its run goes on to the weights of an undisturbed one. One still older is
    refused with the command to use."""
    loop.train(TRAIN, HELD_OUT, tiny(), tmp_path, stop_at=5)
    header, tensors = load_checkpoint(tmp_path)
    recipe = {name: value for name, value in header.recipe.items() if name != "patience"}
    kept = ("step", "skipped", "data", "about", "validated")
    value = {name: getattr(header, name) for name in kept} | {"recipe": recipe}
    for version, works in ((1, False), (2, True)):
        text = json.dumps(value | {"version": version})
        (tmp_path / FILE_NAME).unlink()  # its tensors are still mapped
        (tmp_path / FILE_NAME).write_bytes(packed(tensors, {"voxface": text}))
        if works:
            resumed(tmp_path)
        else:
            with pytest.raises(CheckpointError, match="voxface train DATASET"):
                resumed(tmp_path)
    after, new = load_checkpoint(tmp_path)
    assert (after.version, after.step) == (3, 12)
    assert all(torch.equal(new[name], tensor) for name, tensor in load_checkpoint(whole)[1].items())
