"""The contract of every net in MODELS: stream = whole, causality, receptive field, ONNX says the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: nets cannot be tested")

from voxface.audio.features import FeatureSpec  # noqa: E402
from voxface.errors import UsageError  # noqa: E402
from voxface.models.registry import MODELS  # noqa: E402
from voxface.models.tcn import Tcn, TcnConfig  # noqa: E402

ROWS = 250  # more than any net here sees


pytestmark = pytest.mark.usefixtures("one_thread")


def net_of(name: str, **changes: Any) -> Any:
    """A net with lively random weights, ready for use."""
    config, module = MODELS[name]
    torch.manual_seed(3)
    net = module(config(**({"width": 24} | changes))).eval()
    with torch.no_grad():
        net.captured.leave.weight.mul_(30)
    return net


def rows_for(net: Any, batch: int = 1, rows: int = ROWS) -> Any:
    return torch.randn(batch, rows, net.config.features, generator=torch.Generator().manual_seed(5)) * 20 - 35


every_net = pytest.mark.parametrize(
    ("name", "changes"),
    [(name, changes) for name in MODELS for changes in ({}, {"residual": False}, {"features": 83, "kernel": 2})]
    + [("tcn_attention", {"stride": 4}), ("tcn_multiscale", {"scales": (8,), "coarse_dilations": (1, 3)})],
)


@every_net
@pytest.mark.parametrize("packet", [1, 7, 100])
def test_packets_of_any_size_give_the_whole(name: str, changes: dict[str, Any], packet: int) -> None:
    """Rows cut into packets give what the whole recording gives, to 1e-5."""
    net = net_of(name, **changes)
    rows = rows_for(net)
    states, parts = net.start(), []
    with torch.no_grad():
        for at in range(0, ROWS, packet):
            states, out = net.step(states, rows[:, at : at + packet])
            parts.append(out)
        whole = net(rows)
    torch.testing.assert_close(torch.cat(parts, dim=1), whole, atol=1e-5, rtol=0)


@every_net
def test_an_output_sees_exactly_its_receptive_field(name: str, changes: dict[str, Any]) -> None:
    """A change of row t moves the outputs t ... t + field - 1, none before and none after."""
    net = net_of(name, **changes).double()  # in floats, the least of what attention finds is lost in the last bits
    field, at = net.config.receptive_field, 40
    rows = rows_for(net, rows=at + field + 20).double()
    other = rows.clone()
    other[:, at] += 25
    with torch.no_grad():
        moved = (net(rows) != net(other)).any(dim=2)[0].nonzero()[:, 0]
    assert (int(moved.min()), int(moved.max())) == (at, at + field - 1)


def test_the_defaults_see_63_rows() -> None:
    """The TCN of SPEC A4: 5 layers, kernel 3, dilations 1 ... 16 see 63 rows, and every one of them counts."""
    config = TcnConfig()
    assert (config.kernel, config.dilations, config.receptive_field) == (3, (1, 2, 4, 8, 16), 63)
    torch.manual_seed(1)
    rows = rows_for(net := Tcn(config).eval(), rows=100).requires_grad_()
    net(rows)[0, 90].abs().sum().backward()
    reached = rows.grad.abs().sum(dim=2)[0].nonzero()[:, 0]
    assert reached.tolist() == list(range(90 - 62, 91))


@every_net
@pytest.mark.parametrize("every", [1, 2, 4])
def test_thinned_rows_are_the_rows_of_the_whole(name: str, changes: dict[str, Any], every: int) -> None:
    """Training on every second or fourth row gives these rows' own numbers, the last row included."""
    net = net_of(name, **changes)
    rows = rows_for(net, batch=2)
    with torch.no_grad():
        whole, thinned = net(rows), net.thinned(rows, every)
    torch.testing.assert_close(thinned, whole[:, (ROWS - 1) % every :: every], atol=1e-5, rtol=0)


@every_net
def test_heads_stand_side_by_side(name: str, changes: dict[str, Any]) -> None:
    """A net with an articulated head and phones gives their outputs behind the captured ones, which do not change."""
    net = net_of(name, **changes, articulated=52, phones=45)
    assert net(rows_for(net)).shape == (1, ROWS, net.config.outputs) == (1, ROWS, 59 + 52 + 45)
    loss = net.train()(rows_for(net))[..., :59].square().mean()
    loss.backward()
    assert net.articulated.leave.weight.grad is None or not net.articulated.leave.weight.grad.any()


def test_the_captured_head_reaches_the_trunk_as_far_as_it_is_allowed() -> None:
    """trunk_gradient scales the gradient of the captured head below it, and nothing else; 0 leaves the trunk alone."""
    gradients = []
    for share in (1.0, 0.25, 0.0):
        net = net_of("tcn", articulated=52, trunk_gradient=share, dropout=0.0).train()
        net(rows_for(net))[..., :59].square().mean().backward()
        gradients.append((net.enter.weight.grad.clone(), net.captured.leave.weight.grad.clone()))
    torch.testing.assert_close(gradients[1][0], 0.25 * gradients[0][0])
    assert not gradients[2][0].any()
    torch.testing.assert_close(gradients[2][1], gradients[0][1])


@every_net
def test_a_step_leaves_the_state_it_was_given(name: str, changes: dict[str, Any]) -> None:
    """State is a value: two steps from the same state give the same, also after the state was used."""
    net = net_of(name, **changes)
    rows = rows_for(net)
    with torch.no_grad():
        states, _ = net.step(net.start(), rows[:, :50])
        kept = [state.clone() for state in states]
        first = net.step(states, rows[:, 50:60])[1]
        second = net.step(states, rows[:, 50:60])[1]
    assert torch.equal(first, second)
    assert all(torch.equal(a, b) for a, b in zip(states, kept, strict=True))
    assert [tuple(state.shape[1:]) for state in states] == list(net.config.state_shapes)


@every_net
def test_a_step_without_rows_changes_nothing(name: str, changes: dict[str, Any]) -> None:
    """No rows in, no rows out, the same states."""
    net = net_of(name, **changes)
    states, _ = net.step(net.start(), rows_for(net))
    after, out = net.step(states, rows_for(net)[:, :0])
    assert out.shape == (1, 0, net.config.channels)
    assert all(torch.equal(a, b) for a, b in zip(states, after, strict=True))


@every_net
def test_what_is_heard_counts_and_not_when(name: str, changes: dict[str, Any]) -> None:
    """Rows behind one another give the same wherever they stand in a recording, once the net has heard enough."""
    net = net_of(name, **changes)
    rows, field = rows_for(net), net.config.receptive_field
    with torch.no_grad():
        later = net(torch.cat([rows[:, :77] + 5, rows], dim=1))[:, 77:]
        torch.testing.assert_close(later[:, field - 1 :], net(rows)[:, field - 1 :], atol=1e-5, rtol=0)


@every_net
def test_a_seed_decides_the_first_weights(name: str, changes: dict[str, Any]) -> None:
    """The same seed makes the same net, another one another."""
    config, module = MODELS[name]
    made = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        made.append(module(config(**changes)).state_dict())
    assert all(torch.equal(made[0][part], made[1][part]) for part in made[0])
    assert not torch.equal(made[0]["enter.weight"], made[2]["enter.weight"])


@every_net
def test_every_weight_is_learned(name: str, changes: dict[str, Any]) -> None:
    """A loss reaches every weight of the net, thinned or not: nothing is carried that does nothing."""
    net = net_of(name, **changes).train()
    net.thinned(rows_for(net, batch=2), 4).square().mean().backward()
    idle = [part for part, weight in net.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not idle


@every_net
def test_recordings_in_a_batch_do_not_meet(name: str, changes: dict[str, Any]) -> None:
    """A recording gives the same alone and beside others, to 1e-5."""
    net = net_of(name, **changes)
    rows = rows_for(net, batch=3)
    with torch.no_grad():
        torch.testing.assert_close(net(rows)[1:2], net(rows[1:2]), atol=1e-5, rtol=0)


@every_net
def test_a_new_net_shows_a_face_at_rest(name: str, changes: dict[str, Any]) -> None:
    """Before training: weights near 0, position near 0, quaternion near 1, 0, 0, 0."""
    config, module = MODELS[name]
    torch.manual_seed(0)
    with torch.no_grad():
        net = module(config(**changes)).eval()
        out = net(rows_for(net))
    rest = torch.zeros(config().channels)
    rest[55] = 1
    assert float((out - rest).abs().max()) < 0.4


@every_net
def test_onnx_says_what_torch_says(name: str, changes: dict[str, Any]) -> None:
    """The exported model on onnxruntime, streamed with states and a batch of 2, is within 1e-4 of torch."""
    pytest.importorskip("onnx", reason="onnx is not installed: export cannot be tested")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    from voxface.training.export import to_onnx
    from voxface.training.recipes import Recipe
    from voxface.training.shipped import Shipped

    net = net_of(name, **changes)
    rows_of = FeatureSpec(rows=net.config.features)
    shipped = Shipped(net, Recipe("test", config=net.config, feature=rows_of)).eval()
    session = onnxruntime.InferenceSession(to_onnx(shipped), providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_inputs()]
    assert names[0] == "rows"
    assert [node.name for node in session.get_outputs()] == ["weights", "head", *(f"{n}_next" for n in names[1:])]
    rows = rows_for(net, batch=2)
    with torch.no_grad():
        weights, head, *_ = shipped(rows, *net.start(2))
    states, at = [state.numpy() for state in net.start(2)], 0
    for size in (1, 9, 240):
        feed = dict(zip(names, [rows[:, at : at + size].numpy(), *states], strict=True))
        found_weights, found_head, *states = session.run(None, feed)
        np.testing.assert_allclose(found_weights, weights[:, at : at + size], atol=1e-4)
        np.testing.assert_allclose(found_head, head[:, at : at + size], atol=1e-4)
        at += size


@pytest.mark.parametrize(
    "wrong",
    [{"features": 81}, {"look_ahead_rows": 32}, {"look_ahead_rows": -1}, {"dropout": 1.0}, {"width": 0},
     {"dilations": (1, 0)}],
)  # fmt: skip
def test_a_config_that_makes_no_net_is_refused(wrong: dict[str, Any]) -> None:
    """A config is valid from birth."""
    with pytest.raises(UsageError):
        replace(TcnConfig(), **wrong)
