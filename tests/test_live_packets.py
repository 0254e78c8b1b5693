"""Packets of Live Link, VMC and iFacialMocap, against the protocols' facts, decoders and python-osc."""

from __future__ import annotations

import contextlib
import math
import struct
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from pythonosc.osc_bundle_builder import OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

from tests.live_frames import frame, random_frame
from voxface.errors import ClipError, PacketError, UsageError
from voxface.export.livelink_csv import HEAD_SIGNS
from voxface.face.clip import FaceClip
from voxface.face.rig import ARKIT, LIVELINK_CSV, LIVELINK_UDP
from voxface.head.visemes import VISEMES, viseme_weights
from voxface.live import ifacialmocap, livelink, osc, vmc, vrchat
from voxface.live.frame import LiveFrame, frames_of
from voxface.live.livelink import LiveLink, frame_time, rate_of

NOON = livelink.FrameTime(12 * 3600 * 60, 0.5, Fraction(60))


def packet(of: LiveFrame, subject: str = "face1") -> livelink.Packet:
    return livelink.decode(livelink.encode(of, NOON, "D" * 36, subject))


def test_frames_of_a_clip_count_on_and_are_on_the_audio_clock() -> None:
    """Frame k of a clip is number seq + k at exactly (seq + k) / fps, over ARKIT by name, within 0 to 1."""
    clip = FaceClip(np.array([[0.5, 2.0], [0.25, -1.0]]), ("jawOpen", "tongueOut"), 29.97)
    first, second = frames_of(clip, 1_000_000_007)
    assert [first.seq, second.seq] == [1_000_000_007, 1_000_000_008]
    assert Fraction(second.time_s) == Fraction(float(Fraction(1_000_000_008 * 100, 2997)))
    assert first.weights[ARKIT.index("jawOpen")] == 0.5
    assert [one.weights[ARKIT.index("tongueOut")] for one in (first, second)] == [1.0, 0.0]


def test_a_frame_is_valid_from_birth() -> None:
    """Another shape or a number that is not finite is refused."""
    with pytest.raises(ClipError, match=r"\(52,\) float32"):
        LiveFrame(0, 0.0, np.zeros(51, np.float32))
    with pytest.raises(ClipError, match="finite"):
        LiveFrame(0, 0.0, np.full(52, np.nan, np.float32))


def test_the_bytes_of_a_live_link_packet() -> None:
    """The layout of formats.md §4, byte by byte: 311 of them for a 36-letter device and a 5-letter subject."""
    data = livelink.encode(frame(jawOpen=0.5), NOON, "D" * 36, "face1")
    assert len(data) == 311
    assert data[:5] == bytes([6, 0, 0, 0, 36])
    assert data[41:50] == b"\0\0\0\5face1"
    assert data[50:66] == struct.pack(">ifii", 2_592_000, 0.5, 60, 1)
    assert data[66] == 61
    assert struct.unpack_from(">f", data, 67 + 4 * 17) == (0.5,)  # jawOpen is number 17 of the network


def test_every_channel_stands_where_unreal_looks_for_it() -> None:
    """By name in Unreal's order, where jaw and mouth left come before right, unlike in the CSV."""
    assert [LIVELINK_UDP.index(name) for name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight")] == [15, 16, 21, 22]
    assert [LIVELINK_CSV.index(name) for name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight")] == [16, 15, 22, 21]
    ends = ("eyeBlinkLeft", "eyeBlinkRight", "jawOpen", "browDownLeft", "cheekPuff", "tongueOut", "headYaw")
    assert [LIVELINK_UDP.index(name) for name in ends] == [0, 7, 17, 41, 46, 51, 52]
    of = random_frame()
    values = packet(of).values
    assert values is not None
    for name in ARKIT:
        assert values[LIVELINK_UDP.index(name)] == of.weights[ARKIT.index(name)], name


def test_head_and_eyes_have_the_apps_signs() -> None:
    """Radians; yaw is negative to the subject's left and pitch positive down, for head and eyes alike, as in CSV."""
    of = frame(turned=(20.0, 10.0, 5.0), eyeLookOutLeft=1.0, eyeLookDownRight=0.5)
    values = dict(zip(LIVELINK_UDP, packet(of).values.tolist(), strict=True))
    head = [math.degrees(values[f"head{turn}"]) for turn in ("Yaw", "Pitch", "Roll")]
    np.testing.assert_allclose(head, [-20, 10, 5 * HEAD_SIGNS[2]], atol=1e-4)
    assert values["leftEyeYaw"] == pytest.approx(-math.radians(36))
    assert values["rightEyePitch"] == pytest.approx(0.5 * math.radians(32))
    old = livelink.decode(livelink.encode(of, NOON, "d", "s", "norm180")).values
    assert old[LIVELINK_UDP.index("headYaw")] == pytest.approx(-20 / 180)


def test_mouth_close_never_exceeds_jaw_open_on_a_rig() -> None:
    """Rigs break above it, so it is clamped on the way out of every protocol that drives one."""
    of = frame(mouthClose=0.5, jawOpen=0.2)
    assert packet(of).values[LIVELINK_UDP.index("mouthClose")] == pytest.approx(0.2)
    sent = vmc.decode(vmc.Vmc().packets(of)[1]).blends | vmc.decode(vmc.Vmc().packets(of)[0]).blends
    assert sent["MouthClose"] == pytest.approx(0.2)


def test_names_are_measured_in_bytes() -> None:
    """A subject in any script is read back whole."""
    assert packet(frame(), "顔 ä").subject == "顔 ä"
    for name in ("", "x" * 256):
        with pytest.raises(UsageError, match="1 to 255"):
            LiveLink(60, name)


def test_without_a_face_the_packet_ends_before_the_numbers() -> None:
    """A placeholder says that no face was found."""
    unseen = LiveFrame(0, 0.0, np.zeros(52, np.float32), seen=False)
    assert packet(unseen).values is None


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (24, (24, 1)),
        (30, (30, 1)),
        (60, (60, 1)),
        (23.976, (24000, 1001)),
        (29.97, (30000, 1001)),
        (59.94, (60000, 1001)),
    ],
)
def test_the_rate_is_exact(fps: float, rate: tuple[int, int]) -> None:
    """Also where a library would have divided 24 by 60."""
    assert rate_of(fps).as_integer_ratio() == rate


def test_timecode_is_the_time_of_day_and_runs_on_with_the_frames() -> None:
    """The first frame ties the audio clock to the wall clock, once; a later jump of the wall clock changes nothing."""
    times = iter([3600.5, 99.0, 77.0])
    live = LiveLink(30, "a", lambda: next(times))
    found = [livelink.decode(live.packets(frame(seq, fps=30))[0]) for seq in (0, 1, 30 * 3600)]
    assert [one.moment.frame for one in found] == [30 * 3600 + 15, 30 * 3600 + 16, 2 * 30 * 3600 + 15]
    assert {one.moment.sub_frame for one in found} == {0.0}
    assert len({one.device for one in found}) == 1
    assert len(found[0].device) == 36


def test_lost_and_swapped_packets_leave_whole_frames() -> None:
    """One in twenty is lost, neighbours are swapped: each packet that comes is its whole frame, by itself, and its
    timecode says where it belongs."""
    live = LiveLink(60, "a", lambda: 3600.0)
    frames = [frame(seq, jawOpen=seq / 200, mouthSmileLeft=1 - seq / 200) for seq in range(200)]
    sent = [live.packets(one)[0] for one in frames]
    random = np.random.default_rng(5)
    places = [place for place in range(200) if random.random() > 0.05]
    places = [place for pair in zip(places[1::2], places[::2], strict=False) for place in pair]
    come = [livelink.decode(sent[place]) for place in places]
    back = sorted(zip([one.moment.frame for one in come], places, strict=True))
    assert [place for _, place in back] == sorted(places)
    jaw, smile = LIVELINK_UDP.index("jawOpen"), LIVELINK_UDP.index("mouthSmileLeft")
    values = np.array([one.values for one in come])[:, [jaw, smile]]
    np.testing.assert_allclose(values, [[place / 200, 1 - place / 200] for place in places], atol=1e-6)


def test_timecode_wraps_at_midnight() -> None:
    """24 hours are 0 again, at broken rates too, and the sub-frame stays below 1."""
    assert frame_time(24 * 3600 - Fraction(1, 60), Fraction(60)) == livelink.FrameTime(
        24 * 3600 * 60 - 1, 0.0, Fraction(60)
    )
    assert frame_time(24 * 3600, Fraction(60)).frame == 0
    late = frame_time(24 * 3600 - Fraction(1, 10**12), Fraction(60000, 1001))
    assert late.frame == 24 * 3600 * 60000 // 1001
    assert np.float32(late.sub_frame) < 1


def test_frames_that_keep_alive_tie_no_clock() -> None:
    """Before the first frame they carry the time of day, afterwards the last frame's."""
    times = iter([10.0, 50.0])
    live = LiveLink(60, "a", lambda: next(times))
    found = [livelink.decode(one[0]) for one in (live.idle(frame(0)), live.packets(frame(60)), live.idle(frame(60)))]
    assert [one.moment.frame for one in found] == [600, 3000, 3000]


GOOD = livelink.encode(frame(jawOpen=0.5), NOON, "D" * 36, "face1")


@pytest.mark.parametrize(
    "data",
    [
        b"", GOOD[:1], GOOD[:40], GOOD[:60], GOOD[:-1], GOOD + b"\0", b"\7" + GOOD[1:],
        GOOD[:1] + struct.pack(">i", 2**31 - 1) + GOOD[5:], GOOD[:1] + struct.pack(">i", -5) + GOOD[5:],
        GOOD[:66] + bytes([60]) + GOOD[67:-4], GOOD[:66] + bytes([60]) + GOOD[67:],
        GOOD[:-4] + struct.pack(">f", math.nan), GOOD[:-4] + struct.pack(">f", -math.inf),
        GOOD[:45] + b"\xff" + GOOD[46:], GOOD[:62] + struct.pack(">i", 0) + GOOD[66:],
    ],
)  # fmt: skip
def test_damaged_live_link_packets_are_refused(data: bytes) -> None:
    """Cut off, too long, another version, lengths that lie, 60 numbers, NaN, no UTF-8, no rate: one error."""
    with pytest.raises(PacketError):
        livelink.decode(data)


def test_a_frame_of_vmc_is_read_by_an_independent_library() -> None:
    """python-osc finds 52 weights by name, the head, OK and T; no datagram exceeds 1,200 bytes; Apply is last."""
    of = random_frame()
    datagrams = vmc.Vmc().packets(of)
    assert [len(one) <= 1200 for one in datagrams] == [True] * 3
    messages = [timed.message for one in datagrams for timed in OscPacket(one).messages]
    assert messages[-1].address == "/VMC/Ext/Blend/Apply"
    assert sum(one.address == "/VMC/Ext/Blend/Apply" for one in messages) == 1
    blends = dict(one.params for one in messages if one.address == "/VMC/Ext/Blend/Val")
    assert blends == {name[0].upper() + name[1:]: float(of.weights[ARKIT.index(name)]) for name in ARKIT}
    said = {one.address: one.params for one in messages if one.address.startswith(("/VMC/Ext/OK", "/VMC/Ext/T"))}
    assert said == {"/VMC/Ext/OK": [1], "/VMC/Ext/T": [pytest.approx(0.2)]}
    bone = next(one.params for one in messages if one.address == "/VMC/Ext/Bone/Pos")
    assert bone == pytest.approx(["Head", *vmc.head_bone(of.head)])
    assert [one.message.params for one in OscPacket(vmc.Vmc().farewell()[0]).messages] == [[0]]


def test_our_decoder_reads_what_the_library_writes() -> None:
    """A bundle of python-osc gives the same messages; what VMC does not know is ignored."""
    bundle = OscBundleBuilder(1)
    for address, values in (("/VMC/Ext/Blend/Val", ("A", 0.5)), ("/VMC/Ext/Unknown", ("x", 1)), ("/VMC/Ext/OK", (1,))):
        builder = OscMessageBuilder(address)
        for value in values:
            builder.add_arg(value)
        bundle.add_content(builder.build())
    found = vmc.decode(bundle.build().dgram)
    assert (found.blends, found.ok, found.apply, found.head) == ({"A": 0.5}, True, False, None)


@pytest.mark.parametrize(
    ("turned", "axis", "sign"),
    [((20.0, 0.0, 0.0), 1, -1), ((0.0, 20.0, 0.0), 0, 1), ((0.0, 0.0, 20.0), 2, -1)],
)
def test_the_head_turns_the_right_way_in_unity(turned: tuple[float, float, float], axis: int, sign: int) -> None:
    """Unity is left-handed and looks along +Z with +X to the avatar's right: to its own left is negative about Y, down
    is positive about X, the left ear up (our positive roll) is negative about Z; x changes its sign."""
    x, y, z, *turn = vmc.head_bone(frame(turned=turned).head)
    assert (x, y, z) == pytest.approx((-0.01, 0.02, 0.03))
    expected = [0.0, 0.0, 0.0, math.cos(math.radians(10))]
    expected[axis] = sign * math.sin(math.radians(10))
    assert turn == pytest.approx(expected, abs=1e-6)


def sent_by(encoder: vmc.Vmc, of: LiveFrame) -> dict[str, float]:
    return {name: value for one in encoder.packets(of) for name, value in vmc.decode(one).blends.items()}


def test_names_of_vmc_can_be_chosen() -> None:
    """52 names in PascalCase or camelCase; presets of VRM 0 or VRM 1.0 beside them only where asked for."""
    of = frame(jawOpen=0.6, eyeBlinkLeft=1.0, eyeBlinkRight=0.75, emotion="Happy")
    assert len(sent_by(vmc.Vmc(), of)) == 52
    assert "jawOpen" in sent_by(vmc.Vmc(case="camel"), of)
    vrm0, vrm1 = sent_by(vmc.Vmc(preset=True), of), sent_by(vmc.Vmc(preset=True, version=1), of)
    assert (vrm0["Blink"], vrm0["Blink_L"], vrm0["Blink_R"], vrm0["Joy"]) == (0.75, 0.25, 0.0, 1.0)
    assert {vrm1[name] for name in ("happy", "blink")} == {1.0, 0.75}
    assert set(vrm1).isdisjoint({"A", "Joy", "Blink"})
    assert "Joy" not in sent_by(vmc.Vmc(preset=True), frame())
    for wrong in ({"case": "snake"}, {"version": 2}):
        with pytest.raises(UsageError, match="case=pascal"):
            vmc.Vmc(**wrong)  # type: ignore[arg-type]


def test_vowels_become_their_presets() -> None:
    """Each vowel among our head's visemes gives its letter most, silence none, and the five together at most 1."""
    shown = {
        name: LiveFrame(0, 0.0, row.astype(np.float32)) for name, row in zip(VISEMES, viseme_weights(), strict=True)
    }
    for viseme, letter in (("aa", "A"), ("E", "E"), ("I", "I"), ("O", "O"), ("U", "U")):
        mouths = {name: vmc.presets(shown[viseme])[name] for name in vmc.VOWELS}
        assert max(mouths, key=mouths.__getitem__) == letter
        assert 0.4 < mouths[letter] <= sum(mouths.values()) <= 1.000001
    assert sum(vmc.presets(shown["sil"])[name] for name in vmc.VOWELS) == 0
    assert sum(vmc.presets(shown["PP"])[name] for name in vmc.VOWELS) < 0.2


def test_parameters_of_vrchat_are_read_by_an_independent_library() -> None:
    """By the names of face tracking there; lids rest at 0.75, X is positive to the subject's right."""
    of = frame(
        jawOpen=0.5, eyeBlinkLeft=1.0, eyeWideRight=1.0, mouthLeft=0.5, mouthFrownRight=0.25, eyeLookOutRight=0.5
    )
    datagrams = vrchat.VrChat("FT").packets(of)
    assert max(map(len, datagrams)) <= 1200
    messages = [timed.message for one in datagrams for timed in OscPacket(one).messages]
    found = {one.address: one.params[0] for one in messages}
    expected = {
        "JawOpen": 0.5, "EyeLidLeft": 0.0, "EyeLidRight": 1.0, "MouthX": -0.5, "SmileFrownRight": -0.25,
        "EyeRightX": 0.5,
    }  # fmt: skip
    assert {name: found[f"/avatar/parameters/FT/v2/{name}"] for name in expected} == expected
    read = {name: value for one in vrchat.VrChat().packets(of) for name, value in vrchat.decode(one).items()}
    assert {name: read[name] for name in expected} == expected
    assert len(read) == len(vrchat.PARAMETERS) + len(vrchat.SIGNED)
    with pytest.raises(PacketError):
        vrchat.decode(MESSAGE)
    with pytest.raises(UsageError, match="prefix"):
        vrchat.VrChat("a b")


MESSAGE = osc.encode(osc.Message("/VMC/Ext/Blend/Val", ("JawOpen", 0.5)))
BUNDLE = osc.bundles([MESSAGE], 1200)[0]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"/VMC", MESSAGE[:-1], MESSAGE + b"\0\0\0\0", MESSAGE[:-4] + struct.pack(">f", math.nan), BUNDLE[:12],
        BUNDLE[:16] + struct.pack(">i", 2**31 - 1) + BUNDLE[20:], BUNDLE[:16] + struct.pack(">i", -4) + BUNDLE[20:],
        b"no address\0\0,\0\0\0", b"/VMC/x\0\0,b\0\0\0\0\0\0", b"/VMC/x\0\1,\0\0\0", b"/\xff\0\0,\0\0\0",
        b"/other\0\0,\0\0\0",
        BUNDLE[:16] + (struct.pack(">i", 20) + BUNDLE[:16]) * 40,
    ],
)  # fmt: skip
def test_damaged_osc_is_refused(data: bytes) -> None:
    """Cut off, too long, NaN, lengths that lie, no address, unknown types, bad filling, no UTF-8, not VMC."""
    with pytest.raises(PacketError):
        vmc.decode(data)


@pytest.mark.parametrize("arguments", [(), ("JawOpen",), ("JawOpen", 1), (0.5, "JawOpen"), ("JawOpen", "0.5")], ids=str)
def test_arguments_that_do_not_fit_are_ignored(arguments: tuple[str | int | float, ...]) -> None:
    """Too few or of a wrong type: the message is passed over, as the protocol asks."""
    assert vmc.decode(osc.encode(osc.Message("/VMC/Ext/Blend/Val", arguments))).blends == {}


def test_ifacialmocap_as_the_app_writes_it() -> None:
    """Whole hundredths by the app's names, angles in degrees: pitch, yaw, roll; version 1 with a dash."""
    of = frame(turned=(20.0, 10.0, 5.0), jawOpen=0.505, eyeBlinkLeft=1.0, mouthLeft=0.2, eyeLookInRight=0.5)
    text = ifacialmocap.encode(of).decode()
    assert {"eyeBlink_L&100", "jawOpen&50", "mouthLeft&20"} <= set(text.split("|"))
    assert "=head#10.0000,20.0000,5.0000,0.0100,0.0200,0.0300|rightEye#0.0000,16.0000,0.0000|leftEye#" in text
    assert "|eyeBlink_R-0|" in ifacialmocap.encode(of, version=1).decode()


@pytest.mark.parametrize("version", [1, 2])
def test_ifacialmocap_is_read_back(version: int) -> None:
    """By name, to half a hundredth."""
    of = random_frame()
    found = ifacialmocap.decode(ifacialmocap.encode(of, version))
    np.testing.assert_allclose(found.weights, of.weights, atol=0.0051)
    assert found.head == pytest.approx((-10.0, 20.0, 5.0, 0.1, -0.2, 0.3), abs=1e-3)


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff\xfe", b"jawOpen&nan|", b"jawOpen", b"=head#1,2,3|", b"=head#1,2,nan,4,5,6|", b"a&1|" * 200, b"a&1e9|"],
)
def test_damaged_ifacialmocap_is_refused(text: bytes) -> None:
    """No text, no numbers, poses that are not whole, too many parts: one error."""
    with pytest.raises(PacketError):
        ifacialmocap.decode(text)


@pytest.mark.parametrize("decode", [livelink.decode, vmc.decode, ifacialmocap.decode, vrchat.decode])
def test_any_bytes_are_a_packet_or_one_error(decode: Callable[[bytes], object]) -> None:
    """Random bytes, and good packets with random damage, never break a decoder otherwise."""
    random = np.random.default_rng(3)
    good = (GOOD, BUNDLE, ifacialmocap.encode(random_frame()))
    for turn in range(300):
        data = bytearray(good[turn % 3]) if turn % 4 else bytearray(random.bytes(turn))
        for at in random.integers(0, max(len(data), 1), 3) if data else ():
            data[at] = random.integers(256)
        with contextlib.suppress(PacketError):
            decode(bytes(data))
