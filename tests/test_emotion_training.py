"""Training the emotion net: names say what is acted, nobody is judged by a net that heard them, the bundle says the
same as the net."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch", reason="torch is not installed")

from voxface.bundle import load_bundle  # noqa: E402
from voxface.errors import CheckpointError, DatasetError, UsageError  # noqa: E402
from voxface.face.rig import EMOTIONS  # noqa: E402
from voxface.models.emotion import EmotionConfig, EmotionNet  # noqa: E402
from voxface.runtime.emotion import EmotionTrack  # noqa: E402
from voxface.runtime.net import Net  # noqa: E402
from voxface.training.emodb import acted  # noqa: E402
from voxface.training.emotion import NEUTRAL, UNHEARD, EmotionRecipe, fitted, scored, track, train  # noqa: E402
from voxface.training.emotion_examples import Examples  # noqa: E402
from voxface.training.export import export_bundle  # noqa: E402
from voxface.training.request import TrainRequest  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def sentence(hz: float, seconds: float = 0.7) -> np.ndarray:
    """A buzz that comes and goes five times a second in a quiet room."""
    time = np.arange(round(16_000 * seconds)) / 16_000
    room = 0.001 * np.random.default_rng(1).standard_normal(len(time))
    return (0.2 * np.sign(np.sin(2 * np.pi * hz * time)) * (np.sin(2 * np.pi * 5 * time) < 0) + room).astype(np.float32)


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two speakers who act anger high, sadness low and nothing in between; and a file of another name."""
    folder = tmp_path_factory.mktemp("acted")
    for speaker, shift in (("03", 1.0), ("16", 1.1)):
        for letter, hz in (("W", 900.0), ("T", 150.0), ("N", 400.0)):
            for version in "a":
                soundfile.write(folder / f"{speaker}a01{letter}{version}.wav", sentence(hz * shift), 16_000)
    (folder / "readme.txt").write_text("no sound")
    return folder


@pytest.fixture(scope="module")
def run(sentences: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    calls: list[tuple[int, int]] = []
    found = train(
        TrainRequest(folder, sounds=(sentences,), steps=40), lambda done, of, values: calls.append((done, of))
    )
    assert found == {"unweighted_accuracy": 1.0}
    assert [done for done, _ in calls] == [0, 1, 2, 3, 4]
    return folder


def test_names_say_what_is_acted(sentences: Path, tmp_path: Path) -> None:
    """Speaker and emotion come from the file's name; other files are left out; a folder without any is refused."""
    found = list(acted(sentences))
    assert [one.name for one in found][:3] == ["03a01Na", "03a01Ta", "03a01Wa"]
    assert {(one.speaker, one.emotion) for one in found} == {
        (s, e) for s in ("03", "16") for e in ("Angry", "Sad", "Neutral")
    }
    with pytest.raises(DatasetError, match="03a01Fa"):
        list(acted(tmp_path))
    with pytest.raises(UsageError, match="--sound"):
        train(TrainRequest(tmp_path), lambda done, of, values: None)


def test_the_bundle_says_what_the_net_says(run: Path, tmp_path: Path) -> None:
    """Exported, the run gives a bundle without a face, whose track is the net's own, and which holds how well each
    speaker was understood by a net that never heard them."""
    bundle, difference = export_bundle(run, tmp_path / "felt.voxface")
    assert difference < 1e-5
    assert (bundle.rig, bundle.drives) == ((), ())
    heard = EmotionTrack(Net(load_bundle(tmp_path / "felt.voxface")), as_heard=True).whole(sentence(900.0, 1.5))
    assert EMOTIONS[int(heard[-1].argmax())] == "Angry"
    scores = bundle.metrics["unheard_speakers"]
    assert scores["per_speaker"] == {"03": 1.0, "16": 1.0}
    assert scores["confusion"]["Sad"]["Sad"] == 2
    again = TrainRequest(run, sounds=(run,), steps=40, resume=True)
    assert train(again, lambda done, of, values: None) == {"unweighted_accuracy": 1.0}
    for other, says in ((replace(again, resume=False), "already"), (replace(again, seed=2), "recipe.seed")):
        with pytest.raises(CheckpointError, match=says):
            train(other, lambda done, of, values: None)


def test_a_speaker_is_left_out_whole() -> None:
    """`without` leaves no example of the speaker; every emotion, and all calm speakers together, weigh as declared."""
    speaker = np.array(["a"] * 30 + ["b"] * 10 + ["tts"] * 60)
    emotion = np.array([0] * 25 + [4] * 5 + [5] * 10 + [4] * 60)
    examples = Examples(np.zeros((100, 3), np.float32), emotion, np.ones(100, np.float32), speaker, speaker == "tts")
    assert set(examples.without("a").speaker) == {"b", "tts"}
    weight = examples.balanced(0.5)
    of = [weight[(emotion == e) & ~examples.calm].sum() for e in (0, 4, 5)]
    np.testing.assert_allclose(of, of[0], rtol=1e-5)
    assert weight[examples.calm].sum() == pytest.approx(of[0] / 2, rel=1e-5)


def test_running_statistics_against_sums_by_hand() -> None:
    """The statistics of a row are means weighted by voice and age, computed here row by row in plain numpy."""
    config = EmotionConfig(memory_s=0.5)
    net = EmotionNet(config, NEUTRAL, UNHEARD)
    rows = np.random.default_rng(3).uniform(-60, 0, (1, 90, 83)).astype(np.float32)
    rows[..., 82] = np.random.default_rng(4).random((1, 90))
    with torch.no_grad():
        found, share = net.statistics(torch.from_numpy(rows))
    seen = rows[0]
    mel = (seen[:, :80] + 35) / 45
    keep = np.exp(-1 / 100 / config.memory_s)
    weight = keep ** np.arange(len(seen))[::-1] * seen[:, 82] * (1 - keep)
    mean = (weight[:, None] * mel).sum(0) / weight.sum()
    slow = np.abs(mel - np.concatenate([np.zeros((4, 80)), mel[:-4]]))
    np.testing.assert_allclose(share[0, -1, 0], weight.sum(), rtol=1e-4)
    np.testing.assert_allclose(found[0, -1, :80], mean, atol=1e-4)
    spread = np.sqrt((weight[:, None] * (mel - mean) ** 2).sum(0) / weight.sum())
    np.testing.assert_allclose(found[0, -1, 108:188], spread, atol=3e-3)
    np.testing.assert_allclose(found[0, -1, 216:296], (weight[:, None] * slow).sum(0) / weight.sum(), atol=1e-4)


def test_reading_before_summing_is_reading_the_statistics() -> None:
    """What the net says, in any pieces, is the softmax of what its layer reads of the statistics."""
    random = np.random.default_rng(5)
    net = EmotionNet(EmotionConfig(), NEUTRAL, UNHEARD)
    for value in (net.read.weight, net.read.bias, net.centre):
        value.data.copy_(torch.from_numpy(random.normal(0, 0.2, value.shape)))
    net.scale.copy_(torch.from_numpy(random.uniform(0.5, 2, net.scale.shape)))
    rows = torch.from_numpy(random.uniform(-60, 0, (2, 120, 83)).astype(np.float32))
    rows[..., 82] = torch.from_numpy(random.random((2, 120)))
    with torch.no_grad():
        found, share = net.statistics(rows)
        sure = share / (share + net.config.doubt)
        expected = sure * torch.softmax(net.logits(found), dim=-1) + (1 - sure) * net.calm
        parts, states = [], net.start(2)
        for piece in rows.split([1, 50, 7, 62], dim=1):
            said, *states = net(piece, *states)
            parts.append(said)
    np.testing.assert_allclose(torch.cat(parts, dim=1), expected, atol=1e-4)


def test_scores_count_every_emotion_the_same(sentences: Path) -> None:
    """Unweighted accuracy is the mean of the recalls: 2 right of 2, 0 of 2 and 2 of 2 give two thirds."""
    spoken = list(acted(sentences))
    say = {"Angry": "Angry", "Sad": "Neutral", "Neutral": "Neutral"}
    found = scored(spoken, {one.name: np.eye(7)[EMOTIONS.index(say[one.emotion])] for one in spoken})
    assert found["unweighted_accuracy"] == pytest.approx(2 / 3, abs=1e-4)
    assert found["confusion"]["Sad"]["Neutral"] == 2


def test_silence_between_words_changes_no_mind(run: Path) -> None:
    """Only what is voice counts: a net that heard nothing says Neutral, whatever it has learned."""
    net = fitted(
        Examples(np.ones((8, 352), np.float32) * np.arange(8)[:, None].astype(np.float32), np.array([0, 4] * 4),
                 np.ones(8, np.float32), np.array(list("abababab")), np.zeros(8, bool)),
        EmotionRecipe(steps=5),
    )  # fmt: skip
    assert track(net, np.zeros(16_000, np.float32), EmotionRecipe())[:, NEUTRAL].min() > 0.999
