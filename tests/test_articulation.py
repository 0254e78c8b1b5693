"""Phones become curves: lips close, vowels open, rounding comes early, silence is rest; and the table behind it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voxface.articulation.channels import sides
from voxface.articulation.clip import phone_clip
from voxface.articulation.curves import ARTICULATED, curves, dominance, smooth_curves
from voxface.articulation.gestures import envelope
from voxface.articulation.names import stress_of
from voxface.articulation.phones import (
    CLOSURES,
    LABIODENTALS,
    OPEN_CONSONANTS,
    PHONES,
    SILENCE,
    VOWELS,
    Phone,
    canonical_phone,
    phone_rows,
)
from voxface.articulation.table import load_table
from voxface.errors import ClipError, UsageError
from voxface.face.gap import CLOSED_BELOW, rig_gap
from voxface.face.rig import ARKIT
from voxface.stream import Array


def spoken(symbols: str, each_s: float = 0.08, at_s: float = 0.5) -> list[Phone]:
    """Phones of one length, one after the other; vowels bear primary stress."""
    return [
        Phone(symbol, at_s + i * each_s, at_s + (i + 1) * each_s, 1 if symbol in VOWELS else 0)
        for i, symbol in enumerate(symbols.split())
    ]


def channel(face: Array, name: str) -> Array:
    values: Array = face[:, ARKIT.index(name)]
    return values


def gap(phones: list[Phone], rows: int = 300) -> Array:
    return rig_gap(curves(phones, rows), ARKIT)


def middle(phone: Phone) -> int:
    return round((phone.start_s + phone.end_s) * 50)


@pytest.mark.parametrize("each_s", [0.12, 0.08, 0.06, 0.045])
@pytest.mark.parametrize(
    "words", ["b aa b aa", "m aa m aa", "p aa p aa", "ae m b ae", "s p aw b iy m p uw", "aa p b m aa"]
)
def test_lips_meet_in_every_closure(words: str, each_s: float) -> None:
    """Every p b m has rows with the lips closed (gap below SPEC C5's 0.06), in slow speech and in very fast."""
    phones = spoken(words, each_s)
    opening = gap(phones)
    for phone in phones:
        if phone.symbol in CLOSURES:
            first = int(np.ceil(phone.start_s * 100 - 1e-6))
            held = opening[first : first + max(1, int(0.6 * each_s * 100))]
            assert held.max() < CLOSED_BELOW, f"{phone.symbol} at {phone.start_s:.2f} s"


@pytest.mark.parametrize("each_s", [0.12, 0.08])
def test_lips_part_between_closures(each_s: float) -> None:
    """The vowels between closures open the mouth: closing is a gesture, no mumbling."""
    phones = spoken("b aa b ae m eh p aa b", each_s)
    opening = gap(phones)
    for phone in phones:
        if phone.symbol in VOWELS:
            first, last = int(phone.start_s * 100), int(phone.end_s * 100)
            assert opening[first:last].max() > 2 * CLOSED_BELOW, f"{phone.symbol} at {phone.start_s:.2f} s"


@pytest.mark.parametrize("symbol", [*(v for v in VOWELS if v != "ax"), *OPEN_CONSONANTS])
def test_what_is_open_does_not_look_closed(symbol: str) -> None:
    """A vowel, or k t s d sh, between two others is never a closure."""
    for around in ("ih", "ax", "t", "uw"):
        phones = spoken(f"{around} {symbol} {around}")
        assert gap(phones)[middle(phones[1])] > CLOSED_BELOW, f"{symbol} between {around}"


def test_lips_to_teeth_narrow_the_mouth() -> None:
    """f and v roll the lower lip in and leave the mouth narrower than their neighbours, with the upper lip raised."""
    for symbol in LABIODENTALS:
        phones = spoken(f"aa {symbol} aa", 0.1)
        face, at = curves(phones, 200), middle(phones[1])
        assert channel(face, "mouthRollLower")[at] > 0.1
        assert channel(face, "mouthUpperUpLeft")[at] > 0.05
        opening = rig_gap(face, ARKIT)
        assert opening[at] < 0.5 * opening[middle(phones[0])]


phone_lists = st.lists(
    st.tuples(
        st.sampled_from(PHONES), st.floats(0.005, 0.6), st.floats(-0.1, 0.5), st.integers(0, 2)
    ),
    max_size=25,
)  # fmt: skip


def lay_out(parts: list[tuple[str, float, float, int]]) -> list[Phone]:
    """Phones of any length with gaps and overlaps between them."""
    phones, at = [], 0.0
    for symbol, lasts_s, gap_s, stress in parts:
        start = at + gap_s
        phones.append(Phone(symbol, start, start + lasts_s, stress))
        at = start + lasts_s
    return phones


@settings(deadline=None, max_examples=60)
@given(phone_lists, st.integers(0, 400), st.floats(0.5, 1.5))
def test_any_phones_give_a_face_in_range(parts: list[tuple[str, float, float, int]], rows: int, loud: float) -> None:
    """Whatever is spoken, overlapping or beyond the end: finite weights in [0, 1], both sides alike, mouthClose never
    above jawOpen, channels that do not articulate at 0."""
    face = curves(lay_out(parts), rows, loudness=loud)
    assert face.shape == (rows, 52)
    assert face.dtype == np.float32
    assert np.isfinite(face).all()
    assert ((face >= 0) & (face <= 1)).all()
    assert (channel(face, "mouthClose") <= channel(face, "jawOpen")).all()
    still = [i for i, name in enumerate(ARKIT) if name not in ARTICULATED]
    assert not face[:, still].any()
    for left, right in zip(*[[n for n in ARTICULATED if n.endswith(side)] for side in ("Left", "Right")], strict=True):
        np.testing.assert_array_equal(channel(face, left), channel(face, right))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from(PHONES), min_size=1, max_size=30), st.floats(0.06, 0.2))
def test_curves_do_not_jump(symbols: list[str], each_s: float) -> None:
    """Between gestures no channel moves more than 0.1 in one row, with gestures no more than 0.15."""
    phones = spoken(" ".join(symbols), each_s)
    rows = int(phones[-1].end_s * 100) + 50
    assert np.abs(np.diff(smooth_curves(phones, rows), axis=0)).max() <= 0.1
    assert np.abs(np.diff(curves(phones, rows), axis=0)).max() <= 0.15


def test_the_mouth_rests_in_silence() -> None:
    """Nobody speaks: all zeros. In the middle of a long pause: exactly zero. In a short one the mouth waits, open."""
    assert not curves([], 100).any()
    assert not curves([Phone(SILENCE, 0, 1)], 100).any()
    before = [*spoken("k ae t"), *spoken("k ae t", at_s=1.14)]
    face = curves(before, 250)
    assert not face[94:99].any()  # 740 to 1140 ms are silent
    assert not face[:20].any()
    assert not face[200:].any()
    short = curves([*spoken("k ae"), *spoken("ae t", at_s=0.73)], 250)  # 70 ms of silence
    assert channel(short, "jawOpen")[69] > 0.2


def test_a_gap_is_a_silence() -> None:
    """Leaving silence out is the same as saying it, in one piece or several."""
    apart = [*spoken("k ae t"), *spoken("k ae t", at_s=1.2)]
    named = [*spoken("k ae t"), Phone(SILENCE, 0.74, 0.9), Phone(SILENCE, 0.9, 1.2), *spoken("k ae t", at_s=1.2)]
    np.testing.assert_array_equal(curves(apart, 200), curves(named, 200))


@pytest.mark.parametrize("vowel", ["uw", "w", "ow"])
def test_rounding_comes_early(vowel: str) -> None:
    """The lips round during the consonants before a rounded sound, some 90 ms ahead of it; before a spread one not."""
    rounded, spread = spoken(f"iy s t {vowel} t", 0.07), spoken("iy s t iy t", 0.07)
    onset = round(rounded[3].start_s * 100)
    early = channel(curves(rounded, 200), "mouthPucker")[onset - 8]
    assert early > 0.05
    assert channel(curves(spread, 200), "mouthPucker")[onset - 8] < 0.01


def test_open_vowels_open_the_jaw_more() -> None:
    """aa and ae open the jaw more than eh, that more than ih, that more than iy; uw rounds, iy spreads."""
    peak = {v: channel(curves(spoken(f"t {v} t", 0.12), 200), "jawOpen").max() for v in ("aa", "ae", "eh", "ih", "iy")}
    assert min(peak["aa"], peak["ae"]) > peak["eh"] > peak["ih"] > peak["iy"]
    tight, wide = (curves(spoken(f"t {v} t", 0.12), 200) for v in ("uw", "iy"))
    assert channel(tight, "mouthPucker").max() > 0.3 > 0.05 > channel(wide, "mouthPucker").max()
    assert channel(wide, "mouthStretchLeft").max() > 2 * channel(tight, "mouthStretchLeft").max()


def test_diphthongs_move() -> None:
    """In ay the jaw is more open early than late; in aw the lips round late."""
    phones = [Phone("ay", 0.5, 0.8, 1)]
    jaw = channel(curves(phones, 200), "jawOpen")
    assert jaw[58] > 1.5 * jaw[77]
    pucker = channel(curves([Phone("aw", 0.5, 0.8, 1)], 200), "mouthPucker")
    assert pucker[76] > 3 * pucker[56]


def test_stress_and_loudness_open_the_jaw() -> None:
    """Primary stress opens more than secondary, that more than none; a loud voice more than a soft one, at most by the
    range; rounding does not depend on loudness."""
    peaks = [channel(curves([Phone("aa", 0.5, 0.7, stress)], 150), "jawOpen").max() for stress in (0, 2, 1)]
    assert peaks == sorted(peaks)
    assert peaks[2] > 1.1 * peaks[0]
    phones = spoken("g ow t")
    soft, loud, louder = (curves(phones, 150, loudness=level) for level in (0.8, 1.2, 9.0))
    np.testing.assert_allclose(channel(loud, "jawOpen"), 1.5 * channel(soft, "jawOpen"), atol=1e-6)
    np.testing.assert_array_equal(loud, louder)
    np.testing.assert_array_equal(channel(loud, "mouthPucker"), channel(soft, "mouthPucker"))
    falling = curves(phones, 150, loudness=np.linspace(1.2, 0.8, 150))
    assert (falling <= loud + 1e-6).all()
    with pytest.raises(UsageError, match="loudness must be a number or"):
        curves(phones, 150, loudness=np.ones(3))


def test_neighbours_shape_a_phone() -> None:
    """t has no lips of its own: between uw it is rounder than between iy; p keeps the jaw of its vowel."""
    round_t, wide_t = (spoken(f"{v} t {v}") for v in ("uw", "iy"))
    pucker = [channel(curves(phones, 200), "mouthPucker")[middle(phones[1])] for phones in (round_t, wide_t)]
    assert pucker[0] > 0.15
    assert pucker[1] < 0.01
    low, high = (spoken(f"{v} p {v}") for v in ("aa", "iy"))
    jaw = [channel(curves(phones, 200), "jawOpen")[middle(phones[1])] for phones in (low, high)]
    assert jaw[0] > 1.5 * jaw[1]


def test_the_design_matrix_is_the_model() -> None:
    """Dominance times targets are the curves between gestures, rows sum to at most 1, and no more than that acts."""
    table = load_table()
    phones = spoken("sil hh aw d uw y uw d uw sil m ay f eh r l ey d iy")
    rows = 300
    smooth, face = smooth_curves(phones, rows, table), curves(phones, rows, table)
    for group in table.groups:
        design = dominance(phones, rows, table, group.name)
        assert design.shape == (rows, len(table.target_names))
        assert design.min() >= 0
        assert design.sum(axis=1).max() <= 1 + 1e-9
        values = design @ table.targets(group.name)
        for i, name in enumerate(group.channels):
            for side in sides(name):
                np.testing.assert_allclose(channel(smooth, side), values[:, i], atol=1e-9)
    free = np.all([envelope(gesture, phones, rows) == 0 for gesture in table.gestures], axis=0)
    assert 100 < free.sum() < rows
    np.testing.assert_allclose(face[free], smooth[free], atol=1e-6)


def test_targets_can_be_fitted() -> None:
    """Curves of a table give its targets back by least squares: what is heard of every phone is in the matrix."""
    table, rng = load_table(), np.random.default_rng(3)
    symbols = " ".join(rng.choice([phone for phone in PHONES if phone != SILENCE], 600))
    phones = spoken(symbols, 0.09)
    rows = int(phones[-1].end_s * 100) + 50
    design = dominance(phones, rows, table, "jaw")
    wanted = channel(smooth_curves(phones, rows, table), "jawOpen")
    found = np.linalg.lstsq(design, wanted, rcond=None)[0]
    np.testing.assert_allclose(found[:, None], table.targets("jaw"), atol=1e-6)


def test_a_long_utterance_is_its_blocks() -> None:
    """What is worked on in blocks has no seams: two minutes with one vowel across every seam equal a shorter whole."""
    phones = [Phone("sil", 0, 59.9), *spoken("b aa m aa", 0.08, 59.9), *spoken("w iy", 0.1, 119.95)]
    face = curves(phones, 12_100)
    near = curves([Phone(p.symbol, p.start_s - 59, p.end_s - 59, p.stress) for p in phones[1:]], 6_200)
    np.testing.assert_allclose(face[5_900:], near, atol=1e-6)


def test_the_shape_of_the_shipped_table() -> None:
    """Over all phones in turn: jawOpen and lips are peaky around rest, press, roll and shrug stay small."""
    rng = np.random.default_rng(1)
    phones: list[Phone] = []
    for sentence in range(20):
        at = 0.6 + sentence * 3.0
        phones += spoken(" ".join(rng.choice([p for p in PHONES if p != SILENCE], 24)), 0.085, at)
    face = curves(phones, 6_100)
    for name, low, high in (("jawOpen", 0.15, 0.35), ("mouthFunnel", 0.2, 0.4), ("mouthLowerDownLeft", 0.2, 0.4)):
        assert low < np.percentile(channel(face, name), 95) < high, name
    for name in ("mouthPressLeft", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "tongueOut"):
        assert channel(face, name).max() < 0.1, name
    assert np.percentile(channel(face, "jawOpen"), 5) == 0


def test_the_clip_of_phones() -> None:
    """Frame k shows k / fps seconds, as long as asked, else to the end of the last phone; it knows what it measures."""
    phones = spoken("b aa m aa")
    clip = phone_clip(phones, 100, 1.0)
    np.testing.assert_allclose(clip.weights, curves(phones, 100), atol=1e-6)
    assert len(phone_clip(phones, 60)) == int(np.ceil(0.82 * 60))
    assert len(phone_clip(phones, 29.97, 2.0)) == 60
    assert len(phone_clip([], 30)) == 0
    half = phone_clip(phones, 200, 1.0).weights
    np.testing.assert_allclose(half[1:-1:2], (half[:-2:2] + half[2::2]) / 2, atol=1e-6)
    assert {name for name, known in zip(clip.channels, clip.observed, strict=True) if known} == set(ARTICULATED)
    for wrong in (-1.0, np.inf, np.nan):
        with pytest.raises(UsageError, match="must last"):
            phone_clip(phones, 30, wrong)


def test_phone_rows() -> None:
    """Each row has the phone that is spoken at its centre; gaps are silence, of two the later counts."""
    phones = [Phone("aa", 0.02, 0.05), Phone("b", 0.05, 0.07), Phone("k", 0.06, 0.08)]
    assert [PHONES[i] for i in phone_rows(phones, 10)] == ["sil"] * 2 + ["aa"] * 3 + ["b"] + ["k"] * 2 + ["sil"] * 2
    assert len(phone_rows([Phone("aa", -1, 99)], 3)) == 3


@pytest.mark.parametrize(
    ("name", "phone"),
    [
        ("AA1", "aa"), ("hh", "hh"), ("HV", "hh"), ("axr", "er"), ("dx", "d"), ("pau", "sil"), ("h#", "sil"),
        ("el", "l"), ("nx", "n"), ("y", "y"), ("ˈaɪ", "ay"), ("t͡ʃ", "ch"), ("tʰ", "t"), ("ɡ", "g"), ("ç", "kh"),
        ("øː", "oe"), ("ʉː", "uw"), ("ɫ̩", "l"), ("aj", "ay"), ("ɝ", "er"), ("ʔ", "sil"), ("", "sil"), ("r", "r"),
        ("ɾ", "d"), ("@", "ax"), ("oː", "ow"), ("ɑ̃", "aa"), ("spn", "sil"), ("qwerty", None), ("7", None),
        ("a b", None),
    ],
)  # fmt: skip
def test_names_of_phones(name: str, phone: str | None) -> None:
    """ARPAbet, festival and IPA names, with their marks, mean our phones; what is unknown is None."""
    assert canonical_phone(name) == phone


def test_a_scheme_decides_where_names_collide() -> None:
    """y is a glide in ARPAbet and ü in IPA and SAMPA; S is s in ARPAbet and sh in SAMPA; stress marks are read."""
    assert [canonical_phone("y", scheme) for scheme in ("arpabet", "ipa", "sampa")] == ["y", "ue", "ue"]
    assert [canonical_phone("S", scheme) for scheme in ("arpabet", "ipa", "sampa")] == ["s", None, "sh"]
    assert [stress_of(name) for name in ("AA1", "ah2", "iy0", "iy", "ˈa", "ˌa", "s2x")] == [1, 2, 0, 0, 1, 2, 0]
    assert all(canonical_phone(symbol) == symbol for symbol in PHONES)


@pytest.mark.parametrize(
    "wrong", [("zz", 0, 1), ("aa", 1, 1), ("aa", 2, 1), ("aa", float("nan"), 1), ("aa", 0, float("inf"))]
)
def test_a_phone_is_checked_at_birth(wrong: tuple[str, float, float]) -> None:
    """Unknown symbols and times that do not rise are refused in one sentence."""
    with pytest.raises(ClipError, match="phone"):
        Phone(*wrong)
