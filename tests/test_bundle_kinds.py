"""The three kinds of bundles: what bundle.json may say of each, and which code refuses which kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from voxface.audio.features import FeatureSpec
from voxface.bundle import LARGEST_FILE, Bundle, OutputSpec, WindowSpec, load_bundle, save_bundle, shipped_bundles
from voxface.errors import BundleError, BundleSchemaError, UsageError
from voxface.face.rig import EMOTIONS, LIVELINK_61
from voxface.runtime.window_net import WindowNet

WINDOWED = (OutputSpec("weights", LIVELINK_61, "1, radians"), OutputSpec("emotion", EMOTIONS, "1"))


def windowed(folder: Path, model: bytes | Path = b"no model") -> Bundle:
    return save_bundle(
        folder, model=model, name="w", feature=FeatureSpec("mfcc", 256), look_ahead_rows=0, states=(), outputs=WINDOWED,
        training={}, metrics={}, window=WindowSpec(divide=100, zeroed=("tongueOut",)),
    )  # fmt: skip


def emotion(folder: Path, model: bytes | Path = b"no model") -> Bundle:
    return save_bundle(
        folder, model=model, name="e", feature=FeatureSpec(), look_ahead_rows=6, states=(),
        outputs=[OutputSpec("emotion", EMOTIONS, "1")], training={}, metrics={},
    )  # fmt: skip


def test_each_kind_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    """A windowed face and an emotion, from their JSON: rate, window, rig, and which of them has a latency."""
    face, mood = windowed(tmp_path / "w.voxface"), emotion(tmp_path / "e.voxface")
    assert (face.rate_hz, face.window, face.rig) == (60, WindowSpec(divide=100, zeroed=("tongueOut",)), LIVELINK_61)
    assert (mood.rate_hz, mood.window, mood.rig, mood.drives) == (100, None, (), ())
    assert mood.latency_ms(16_000) == 82.5
    with pytest.raises(UsageError, match="whole clips and cannot stream"):
        face.latency_ms(16_000)


def test_what_ships_is_small() -> None:
    """No file of a shipped bundle is larger than 9 MB, and all of them together not than 30 MB."""
    folders = [load_bundle(name).folder for name in shipped_bundles()]
    sizes = [file.stat().st_size for folder in folders for file in folder.iterdir()]
    assert len(folders) >= 4
    assert max(sizes) <= LARGEST_FILE
    assert sum(sizes) <= 30_000_000


def test_a_large_model_is_moved_in_and_checked_where_it_lies(tmp_path: Path) -> None:
    """A windowed model may be larger than 9 MB: its file is moved, its hash compared; a streaming one may not."""
    big = tmp_path / "model"
    big.write_bytes(bytes(LARGEST_FILE + 1))
    with pytest.raises(BundleError, match="9000001 bytes"):
        emotion(tmp_path / "e.voxface", big)
    bundle = windowed(tmp_path / "w.voxface", big)
    assert not big.exists()
    assert bundle.model_path().stat().st_size == LARGEST_FILE + 1
    with pytest.raises(BundleError, match="larger than"):
        bundle.model_bytes()
    bundle.model_path().write_bytes(b"another")
    with pytest.raises(BundleError, match="sha256 differs"):
        bundle.model_path()


def test_a_window_net_takes_no_other_kind(tmp_path: Path) -> None:
    """A streaming bundle has no windows; a windowed one whose model is none is told in our words."""
    with pytest.raises(BundleSchemaError, match="'e' streams"):
        WindowNet(emotion(tmp_path / "e.voxface"))
    with pytest.raises(BundleError, match="cannot open the model of bundle 'w'"):
        WindowNet(windowed(tmp_path / "w.voxface"))


def test_a_model_reads_no_file_beyond_its_bundle(tmp_path: Path) -> None:
    """A large model is opened by its path; weights that lie in other files, outside its folder, are refused."""
    onnx = pytest.importorskip("onnx", reason="onnx is not installed: the model of this test cannot be made")
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(16))
    for place in ("../secret", str(secret)):
        tensor = onnx.TensorProto(name="w", data_type=1, dims=[4], data_location=1)
        tensor.external_data.add(key="location", value=place)
        ends = [onnx.helper.make_tensor_value_info(name, 1, [4]) for name in ("rows", "weights")]
        node = onnx.helper.make_node("Add", ["rows", "w"], ["weights"])
        graph = onnx.helper.make_graph([node], "g", ends[:1], ends[1:], [tensor])
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
        with pytest.raises(BundleError, match="External data path"):
            WindowNet(windowed(tmp_path / "w.voxface", model.SerializeToString()))


def at_100(value: dict[str, Any]) -> None:
    value["rate_hz"] = 100


def packet_order(value: dict[str, Any]) -> None:
    names = value["rig"]
    left, right = names.index("jawLeft"), names.index("jawRight")
    names[left], names[right] = "jawRight", "jawLeft"
    value["outputs"][0]["channels"] = names


def no_emotion(value: dict[str, Any]) -> None:
    del value["outputs"][1]


def emotions_sorted_otherwise(value: dict[str, Any]) -> None:
    value["outputs"][1]["channels"].reverse()


def a_state(value: dict[str, Any]) -> None:
    value["states"] = [{"name": "memory", "shape": [1, 4, 8], "dtype": "float32"}]


def a_streaming_feature(value: dict[str, Any]) -> None:
    value["feature"] = FeatureSpec().to_json()


def twice(value: dict[str, Any]) -> None:
    value["outputs"].append(value["outputs"][1])


def an_unknown_setting(value: dict[str, Any]) -> None:
    value["window"]["colour"] = 3


def a_text_for_a_number(value: dict[str, Any]) -> None:
    value["window"]["frames"] = "128"


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (at_100, "100 rows a second"),
        (packet_order, "Live Link CSV order"),
        (no_emotion, "7 emotions"),
        (emotions_sorted_otherwise, "Angry, Disgusted"),
        (a_state, "neither states"),
        (a_streaming_feature, "'logmel'"),
        (twice, "twice"),
        (an_unknown_setting, "colour"),
        (a_text_for_a_number, "whole frames"),
    ],
)
def test_a_windowed_description_that_cannot_be_is_refused(
    damage: Callable[[dict[str, Any]], None], named: str, tmp_path: Path
) -> None:
    """Another rate, order, kind of feature or unit of windows: one sentence, E-MODEL-SCHEMA."""
    path = windowed(tmp_path / "w.voxface").folder / "bundle.json"
    value = json.loads(path.read_text())
    damage(value)
    path.write_text(json.dumps(value))
    with pytest.raises(BundleSchemaError, match=named):
        load_bundle(path.parent)
