"""What is particular to the hybrid and the multi-scale net: attention row by row, plain means, what a window may be."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: nets cannot be tested")

from voxface.errors import UsageError  # noqa: E402
from voxface.models.registry import MODELS  # noqa: E402
from voxface.models.tcn_attention import Attention, TcnAttention, TcnAttentionConfig  # noqa: E402
from voxface.models.tcn_multiscale import running_mean  # noqa: E402

SMALL: dict[str, Any] = {"width": 8, "attention_heads": 2, "window": 12}


def attention_of(stride: int) -> Attention:
    """Attention over 13 rows whose nearness has something to say."""
    torch.manual_seed(2)
    attention = Attention(TcnAttentionConfig(**SMALL, stride=stride)).double()
    with torch.no_grad():
        attention.nearness.normal_()
    return attention


def looked_up(attention: Attention, rows: Any) -> np.ndarray:
    """(n, 8) rows -> (n, 8), written as it is defined: each row, each head, each row of the window that has been."""
    query = attention.query(rows).detach().numpy().reshape(-1, 2, 4)
    key, value = attention.key_value(rows).detach().numpy().reshape(-1, 2, 2, 4).swapaxes(0, 1)
    near, found = attention.nearness.detach().numpy(), np.zeros((len(rows), 2, 4))
    for at in range(len(rows)):
        seen = [at - back for back in range(0, attention.window + 1, attention.stride) if back <= at]
        for head in range(2):
            scores = [query[at, head] @ key[s, head] / 2 + near[head, (at - s) // attention.stride] for s in seen]
            shares = np.exp(scores) / np.exp(scores).sum()
            found[at, head] = sum(share * value[s, head] for share, s in zip(shares, seen, strict=True))
    return found.reshape(len(rows), 8)


@pytest.mark.parametrize("stride", [1, 4])
def test_attention_is_what_its_definition_says(stride: int) -> None:
    """Each row looks at itself and the 12 rows before it, or each fourth of them; before the first row there is nothing
    to look at, not even silence. Also row by row through the ring, and thinned."""
    attention, rows = attention_of(stride), torch.randn(40, 8, dtype=torch.float64)
    expected = looked_up(attention, rows)
    ring = torch.zeros(1, 12, 17, dtype=torch.float64)
    with torch.no_grad():
        whole = attention(ring, rows[None])[1][0].numpy()
        one_by_one = []
        for row in rows:
            ring, found = attention(ring, row[None, None])
            one_by_one.append(found[0, 0].numpy())
        thinned = attention.thinned(rows[None], 1, 4)[0].numpy()
    np.testing.assert_allclose(whole, expected, atol=1e-12)
    np.testing.assert_allclose(one_by_one, expected, atol=1e-12)
    np.testing.assert_allclose(thinned, expected[3::4], atol=1e-12)


def test_a_silent_ring_and_an_empty_ring_differ() -> None:
    """The ring knows what has been: zeros that were heard are looked at, zeros before the first row are not."""
    attention, row = attention_of(1), torch.ones(1, 1, 8, dtype=torch.float64)
    empty = torch.zeros(1, 12, 17, dtype=torch.float64)
    heard = empty.clone()
    heard[:, :, -1] = 1
    with torch.no_grad():
        alone = attention(empty, row)[1]
        torch.testing.assert_close(alone, attention.key_value(row)[:, :, 8:])
        assert not torch.allclose(alone, attention(heard, row)[1])


def test_training_crops_of_a_hybrid_learn_what_it_will_do() -> None:
    """The last rows of a crop with its context give what the same rows give in the middle of a long recording: the net
    is trained with the mask it runs with."""
    torch.manual_seed(4)
    net = TcnAttention(TcnAttentionConfig(width=16, window=20, stride=4)).eval()
    rows = torch.randn(1, 900, 80) * 20 - 35  # longer than what `forward` takes at a time
    begin, context = 750, net.config.receptive_field - 1
    with torch.no_grad():
        whole = net(rows)[:, begin : begin + 60]
        crop = net.thinned(rows[:, begin - context : begin + 60], 4)[:, -15:]
    torch.testing.assert_close(crop, whole[:, 3::4], atol=1e-5, rtol=0)


@pytest.mark.parametrize("over", [2, 4, 16])
def test_a_running_mean_is_the_mean_of_the_last_rows(over: int) -> None:
    """Row by row the mean of `over` rows, by numpy."""
    rows = np.random.default_rng(3).standard_normal((2, 50, 5))
    expected = np.lib.stride_tricks.sliding_window_view(rows, over, axis=1).mean(axis=-1)
    np.testing.assert_allclose(running_mean(torch.from_numpy(rows), over).numpy(), expected, atol=1e-12)


def test_configs_come_back_from_json() -> None:
    """What a checkpoint keeps of a config makes an equal one; tuples that became lists are tuples again."""
    for config, _ in MODELS.values():
        value: dict[str, Any] = json.loads(json.dumps(asdict(config())))
        assert config(**value) == config()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("tcn_attention", {"width": 30}),
        ("tcn_attention", {"window": 0}),
        ("tcn_attention", {"stride": 3}),
        ("tcn_attention", {"attention_heads": 0}),
        ("tcn_attention", {"features": 81}),
        ("tcn_multiscale", {"scales": ()}),
        ("tcn_multiscale", {"scales": (4, 6)}),
        ("tcn_multiscale", {"scales": (1,)}),
        ("tcn_multiscale", {"coarse_dilations": (0,)}),
        ("tcn_multiscale", {"coarse_width": 0}),
        ("tcn_multiscale", {"dropout": 1.0}),
    ],
)
def test_a_config_that_makes_no_net_is_refused(name: str, wrong: dict[str, Any]) -> None:
    """A config is valid from birth, in what it has of its own and in what it has of the TCN."""
    with pytest.raises(UsageError):
        MODELS[name][0](**wrong)
