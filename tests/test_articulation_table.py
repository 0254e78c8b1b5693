"""The articulation table as a file: it comes back as it was, and what is wrong in it is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxface.articulation import table_file
from voxface.articulation.curves import curves
from voxface.articulation.phones import PHONES, Phone
from voxface.articulation.table import Table, load_table, save_table
from voxface.errors import InputError, UsageError, VoxfaceError


def same(one: Table, other: Table) -> None:
    assert one.target_names == other.target_names
    assert one.groups == other.groups
    assert one.pauses == other.pauses
    assert one.timing == other.timing
    assert [(g.name, g.hold, g.takes, g.adds, g.close, g.attack) for g in one.gestures] == [
        (g.name, g.hold, g.takes, g.adds, g.close, g.attack) for g in other.gestures
    ]
    for group in one.groups:
        np.testing.assert_allclose(one.targets(group.name), other.targets(group.name), atol=5e-5)
        for symbol in PHONES:
            assert one.sound(symbol).strength.get(group.name) == other.sound(symbol).strength.get(group.name)


def test_a_table_comes_back(tmp_path: Path) -> None:
    """Saved and loaded, a table is the same, and saved again the same bytes; so are fitted targets to 4 decimals."""
    table = load_table()
    save_table(table, tmp_path / "a.toml")
    same(load_table(tmp_path / "a.toml"), table)
    save_table(load_table(tmp_path / "a.toml"), tmp_path / "b.toml")
    assert (tmp_path / "a.toml").read_bytes() == (tmp_path / "b.toml").read_bytes()
    assert "# [dominance.G]" in (tmp_path / "a.toml").read_text()
    rng = np.random.default_rng(2)
    fitted = table
    for group in table.groups:
        fitted = fitted.with_targets(group.name, rng.uniform(0, 0.9, table.targets(group.name).shape))
    fitted = replace(fitted, groups=(replace(fitted.groups[0], rise=17.1234), *fitted.groups[1:]))
    save_table(fitted, tmp_path / "c.toml")
    same(load_table(tmp_path / "c.toml"), fitted)
    phones = [Phone(symbol, 0.5 + i / 10, 0.6 + i / 10) for i, symbol in enumerate(["b", "ay", "w", "aa"])]
    np.testing.assert_allclose(
        curves(phones, 150, load_table(tmp_path / "c.toml")), curves(phones, 150, fitted), atol=1e-4
    )


def test_targets_of_nothing_keep_their_names(tmp_path: Path) -> None:
    """A diphthong fitted to zeros is still one after a round trip."""
    table = load_table()
    for group in table.groups:
        table = table.with_targets(group.name, np.zeros_like(table.targets(group.name)))
    save_table(table, tmp_path / "zero.toml")
    assert load_table(tmp_path / "zero.toml").target_names == table.target_names


def edited(tmp_path: Path, old: str, new: str) -> Path:
    """A copy of the table written by hand with one piece of text replaced."""
    path = tmp_path / "edited.toml"
    text = Path(table_file.__file__).with_name("hand.toml").read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("[phones.aa]\njawOpen = 0.42", "[phones.aa]\njawOpen = 1.5", "phones.aa.jawOpen must be a number from 0 to 1"),
        ("[phones.aa]\njawOpen = 0.42", "[phones.aa]\njawOpen = nan", "phones.aa.jawOpen must be a number"),
        ("[phones.aa]\njawOpen = 0.42", "[phones.aa]\njawOpen = true", "phones.aa.jawOpen must be a number"),
        ("[phones.aa]\njawOpen = 0.42", "[phones.aa]\njawOpen = [1, 1, 1]", "phones.aa.jawOpen must be one number or"),
        ("[phones.aa]\njawOpen", "[phones.aa]\njawopen", "phones.aa.jawopen is no channel of a group"),
        ("[phones.aa]", "[phones.a]", "phones.a is no phone"),
        ('like = "p"', 'like = "b"', "phones.b.like must name a phone with targets"),
        ('like = "p"', "like = 3", "phones.b.like must be the name of a phone"),
        ('like = "p"', 'like = "p"\njawOpen = 0.1', "phones.b has 'like' and other keys"),
        ("[phones.ah]\n", "[phones.ah]\nstrength = { chin = 1 }\n", "phones.ah.strength.chin is no group"),
        ("[phones.ah]\n", "[phones.ah]\nstrength = { jaw = 0 }\n", "phones.ah.strength.jaw must be a number from 0.01"),
        ("[phones.sil]", "[phones.sil]\njawOpen = 0.1", "phones.sil may have no targets"),
        ("rise = 20", "rise = 0", "dominance.jaw.rise must be a number from 1 to 100"),
        ("rise = 20", "rise = 'fast'", "dominance.jaw.rise must be a number"),
        ("rise = 20\n", "", "dominance.jaw.rise is missing"),
        ("rise = 20", "rise = 20\nspeed = 1", "dominance.jaw.speed is no key"),
        ('"jawOpen"', '"jawOpenLeft"', "dominance.jaw.channels: 'jawOpenLeft' is no channel of articulation"),
        ('"mouthFunnel"', '"jawOpen"', "channel 'jawOpen' stands in two groups"),
        ("stress = [0.85, 1, 0.94]", "stress = [0.85]", "dominance.jaw.stress must be 3 numbers"),
        ("p = 0.6", "p = 6", "gestures.closure.hold.p must be a number from 0 to 1"),
        ("p = 0.6", "pf = 0.6", "gestures.closure.hold.pf is no phone"),
        ("takes = { mouthLowerDown", "takes = { lowerLip", "gestures.closure.takes: 'lowerLip' is no channel"),
        ("long = 0.35", "long = 0.01", "pauses.long must be a number"),
        ("\n[timing]", "\n[timings]", "timings is no table"),
        ("\n[timing]", "\npauses = 3\n[timing]", "is not TOML"),
    ],
)  # fmt: skip
def test_a_wrong_table_is_named(old: str, new: str, key: str, tmp_path: Path) -> None:
    """An error in a table says which key is wrong and in which file, in one sentence."""
    path = edited(tmp_path, old, new)
    with pytest.raises(UsageError, match=r"edited\.toml") as caught:
        load_table(path)
    assert key in caught.value.message
    assert caught.value.source == str(path)


def test_a_table_that_lacks_a_phone_or_is_none(tmp_path: Path) -> None:
    """A missing phone, a missing file and bytes that are no text are said, each in its way."""
    (tmp_path / "few.toml").write_text("[phones.aa]\n")
    with pytest.raises(UsageError, match=r"phones\.ae is missing"):
        load_table(tmp_path / "few.toml")
    with pytest.raises(InputError, match="cannot read"):
        load_table(tmp_path / "absent.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is not TOML"):
        load_table(tmp_path / "bytes.toml")
    with pytest.raises(UsageError, match="no group 'chin'"):
        load_table().group("chin")
    with pytest.raises(UsageError, match="targets must be"):
        load_table().with_targets("jaw", np.zeros((2, 1)))


toml_values = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text("ab\"'", max_size=3),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)


def as_toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(as_toml, value))}]"
    return repr(value) if not isinstance(value, str) else '"' + value.replace('"', '\\"') + '"'


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from(["timing.edge", "pauses", "dominance.jaw.channels", "dominance.jaw.rise", "dominance.jaw",
                     "gestures.closure.hold", "gestures.closure.takes", "phones.aa", "phones.aa.like",
                     "phones.aa.jawOpen", "phones.aa.strength", "dominance", "phones", "gestures.closure",
                     "dominance.jaw.stress"]),
    toml_values,
)  # fmt: skip
def test_no_value_breaks_the_reader(tmp_path_factory: pytest.TempPathFactory, key: str, value: object) -> None:
    """Any value under any key is read or refused with an error of ours."""
    path = tmp_path_factory.mktemp("toml") / "any.toml"
    path.write_text(f"{key} = {as_toml(value)}\n")
    with pytest.raises(VoxfaceError):  # nothing else is in the file, so phones are missing at best
        load_table(path)
