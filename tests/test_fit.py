"""The fit of the articulation table: it finds targets that are known, keeps what it cannot see, and runs as a verb."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from voxface.articulation.curves import curves, smooth_curves
from voxface.articulation.phones import PHONES, VOWELS, Phone, phone_rows
from voxface.articulation.table import Table, load_table, save_table
from voxface.cli.articulation import app
from voxface.dataset.align import FaceRows
from voxface.dataset.manifest import Entry, Manifest, save_manifest
from voxface.dataset.quality import Quality
from voxface.dataset.rest import Calibration
from voxface.dataset.store import Facts, save_recording
from voxface.errors import DatasetError, InputWarning
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT
from voxface.synth.fit import HAND_TABLE, FitConfig, Fitted, fit_table, scaled
from voxface.synth.phone_table import read_phone_table, write_phone_table
from voxface.synth.takes import Take, capture_lag, earlier, oracle, read_takes
from voxface.timebase import row_count

LATE = 2  # rows
SAMPLES = 48_000
UNHEARD = {"er", "oy", "aa"}
QUICK = FitConfig(searched=10, ridge=30)  # so few recordings must count for more


def said(number: int) -> tuple[Phone, ...]:
    """Three seconds of consonants and vowels in turn; the same number gives the same."""
    random = np.random.default_rng([5, number])
    heard = [symbol for symbol in PHONES[1:] if symbol not in UNHEARD]
    vowels, others = ([s for s in heard if (s in VOWELS) == wanted] for wanted in (True, False))
    phones, at = [], 0.4
    while at < 2.5:
        for kind in (others, vowels):
            end = at + random.uniform(0.06, 0.14)
            phones.append(Phone(str(random.choice(kind)), at, end, int(kind is vowels)))
            at = end
    return tuple(phones)


def other_table() -> Table:
    """The table by hand with other targets of the jaw: high vowels more open, low ones less, consonants by turns."""
    table = load_table(HAND_TABLE)
    factor = np.random.default_rng(2).uniform(0.5, 1.6, (len(table.target_names), 1))
    return table.with_targets("jaw", np.clip(table.targets("jaw") * factor, 0, 1))


def takes_of(table: Table, count: int, late: int = 0) -> list[Take]:
    """Mouths that move as a table says, some rows late, with noise of 0.01."""
    made = []
    for number in range(count):
        phones, rows = said(number), 300
        face = np.roll(curves(phones, rows, table), late, axis=0)
        noise = np.random.default_rng([9, number]).normal(0, 0.01, rows).astype(np.float32)
        speech = phone_rows(phones, rows) > 0
        made.append(Take(str(number), phones, face, rig_gap(face, ARKIT) + noise, np.ones(rows, bool), speech))
    return made


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit_table(takes_of(other_table(), 60, LATE), load_table(HAND_TABLE), QUICK)


def test_the_fit_finds_targets_that_are_known(fitted: Fitted) -> None:
    """From late and noisy mouths of another table, starting with the table by hand: its lag, and the targets of the jaw
    that were heard, to 0.02 on average and far nearer than the start."""
    takes = takes_of(other_table(), 60)
    hand, truth = (scaled(one, takes, QUICK.tops, QUICK.most) for one in (load_table(HAND_TABLE), other_table()))
    heard = np.array([name.split(".")[0] not in UNHEARD for name in hand.target_names])
    jaw = {name: one.targets("jaw")[heard, 0] for name, one in (("h", hand), ("t", truth), ("f", fitted.table))}
    assert fitted.lag_rows == LATE
    assert np.abs(jaw["f"] - jaw["t"]).mean() < 0.02
    assert np.abs(jaw["f"] - jaw["t"]).mean() < 0.6 * np.abs(jaw["h"] - jaw["t"]).mean()
    test = [replace(take, name="new") for take in takes_of(other_table(), 80)[60:]]
    before, after = (oracle(test, one, "x").r["lip gap in speech"][0] for one in (load_table(HAND_TABLE), fitted.table))
    assert after > 0.98
    assert 1 - after < 0.5 * (1 - before)


def test_the_fit_is_the_same_every_time(fitted: Fitted, tmp_path: Path) -> None:
    """Two fits to the same takes write the same bytes."""
    again = fit_table(takes_of(other_table(), 60, LATE), load_table(HAND_TABLE), QUICK)
    save_table(fitted.table, tmp_path / "one.toml")
    save_table(again.table, tmp_path / "two.toml")
    assert (tmp_path / "one.toml").read_bytes() == (tmp_path / "two.toml").read_bytes()
    assert again.steps == fitted.steps


def test_what_is_not_seen_keeps_its_shape(fitted: Fitted) -> None:
    """Spread and tucked lips and the tongue keep their targets; a vowel that was never heard stays among its class."""
    hand = load_table(HAND_TABLE)
    for group in ("spread", "tuck", "tongue"):
        np.testing.assert_array_equal(fitted.table.targets(group), hand.targets(group))
    place = hand.target_names.index("aa")
    vowels = [i for i, name in enumerate(hand.target_names) if name.split(".")[0] in VOWELS]
    jaw, before = fitted.table.targets("jaw")[:, 0], hand.targets("jaw")[:, 0]
    assert jaw[place] > np.median(jaw[vowels])
    assert 0.4 < jaw[place] / before[place] < 1.4


def test_the_channels_have_the_range_of_a_real_face(fitted: Fitted) -> None:
    """Over speech, between gestures, the 95th percentile of each scaled channel is what it shall be, or below where
    targets were cut; rest stays 0, mouthClose never exceeds jawOpen."""
    faces = [smooth_curves(said(number), 300, fitted.table)[phone_rows(said(number), 300) > 0] for number in range(60)]
    speech = np.concatenate(faces)
    top = float(np.percentile(speech[:, ARKIT.index("jawOpen")], 95))
    assert 0.23 < top <= 0.2501
    for group in fitted.table.groups:
        for i, channel in enumerate(group.channels):
            if channel in QUICK.tops:
                assert fitted.table.targets(group.name)[:, i].max() <= QUICK.most * QUICK.tops[channel] + 1e-9
    face = curves(said(1), 300, fitted.table)
    assert not face[:20].any()
    assert (face[:, ARKIT.index("mouthClose")] <= face[:, ARKIT.index("jawOpen")]).all()


def test_the_shipped_table_is_the_fitted_one() -> None:
    """table.toml differs from the one by hand only in what the fit touches: same phones, same dead channels."""
    hand, shipped = load_table(HAND_TABLE), load_table()
    assert hand.target_names == shipped.target_names
    for group in ("spread", "tuck", "tongue"):
        np.testing.assert_allclose(hand.targets(group), shipped.targets(group), atol=1e-4)
    assert np.abs(hand.targets("jaw") - shipped.targets("jaw")).max() > 0.05


def test_the_lag_needs_closures() -> None:
    """Without twenty p b m inside speech nothing is known of the lag, and nothing is moved."""
    few = takes_of(other_table(), 3, LATE)
    closures = sum(b.symbol in "pbm" for take in few for _, b in pairwise(take.phones))
    assert closures < 20
    assert capture_lag(few, {"p": 0.6, "b": 0.85, "m": 1.0}) == 0
    moved = earlier(few[0], LATE)
    np.testing.assert_array_equal(moved.gap[:-LATE], few[0].gap[LATE:])
    assert not moved.valid[-LATE:].any()


def dataset(folder: Path, count: int = 40) -> Path:
    """A dataset of mouths that move as another table says; each fourth recording is for testing."""
    entries = []
    for number in range(count):
        phones, rows = said(number), row_count(SAMPLES)
        face = np.roll(curves(phones, rows, other_table()), LATE, axis=0)
        loud = np.repeat(phone_rows(phones, rows) > 0, 160)[:SAMPLES]
        samples = np.random.default_rng(number).standard_normal(SAMPLES) * np.where(loud, 0.1, 0.001)
        head = np.tile(np.array([0, 0, 0, 1, 0, 0, 0], np.float32), (rows, 1))
        seen, nothing = np.ones(rows, bool), np.zeros(rows, np.float32)
        values = FaceRows(face, head, rig_gap(face, ARKIT), nothing, seen, np.zeros(3))
        facts = Facts(
            f"r{number}", f"{number:064x}", "s", f"{number:064x}", 10.0, (0, 0, 0), 10.0, 0.0, Quality(), False
        )  # fmt: skip
        save_recording(folder, facts, samples.astype(np.float32), values, np.ones(len(ARKIT), bool))
        entries.append(Entry(facts.name, "made", "train" if number % 4 else "test", facts))
    rest = np.zeros(len(ARKIT), np.float32)
    save_manifest(
        folder, Manifest(tuple(entries), {"made": Calibration(rest, "quiet", 1, 1, 1.0, 0.0, 1.0)}, "", {}, {})
    )
    return folder


def test_the_verb_fits_judges_and_shows(tmp_path: Path) -> None:
    """`voxface articulation fit` writes a table that load_table reads and says r before and after on the test split;
    `show` prints it; `align` makes phones of the same dataset."""
    home, phones, table = dataset(tmp_path / "data"), tmp_path / "phones.tsv", tmp_path / "table.toml"
    write_phone_table({f"r{number}": said(number) for number in range(40)}, phones)
    done = CliRunner().invoke(app, ["fit", str(home), "--phones", str(phones), "-o", str(table), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["lag_ms"] == 10 * LATE
    assert told["test_recordings"] == 10
    assert told["r"]["fitted"]["lip gap in speech"][0] > told["r"]["before"]["lip gap in speech"][0] + 0.02
    shown = CliRunner().invoke(app, ["show", str(table), "--json"])
    jaw = load_table(table).targets("jaw")[0, 0]
    assert json.loads(shown.stdout)["targets"]["aa"]["jawOpen"] == pytest.approx(jaw, abs=1e-4)
    words = tmp_path / "words.tsv"
    words.write_text("clip\tstart_s\tend_s\tword\nr0\t0.4\t0.8\tbin\nr1\t0.4\t0.9\tplease\n")
    found = tmp_path / "found.tsv"
    done = CliRunner().invoke(app, ["align", str(home), "--words", str(words), "-o", str(found), "--json"])
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["skipped"]) == 38
    assert [phone.symbol for phone in read_phone_table(found)["r0"]] == ["sil", "b", "ih", "n", "sil"]


def test_phones_of_other_recordings_are_refused(tmp_path: Path) -> None:
    """Recordings without phones are named; a table that has none of them ends the run with what to do."""
    from voxface.dataset.dataset import load_dataset

    recordings = load_dataset(dataset(tmp_path / "data", 4)).recordings("train")
    with pytest.warns(InputWarning, match="2 recordings have no phones or no face and are left out: r2, r3"):
        assert [take.name for take in read_takes(recordings, {"r1": said(1)})] == ["r1"]
    with pytest.raises(DatasetError, match="none of 3 recordings has phones and a face"):
        read_takes(recordings, {"elsewhere": said(1)})
