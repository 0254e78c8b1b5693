"""The loss: only what was seen counts, closed lips and trembling count more."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fake_recordings import JAW
from tests.small_training import masked_loss, torch
from voxface.face.gap import rig_gap
from voxface.face.rig import ARKIT
from voxface.training.losses import GAP_COLUMN, LossSpec, with_gap


def test_unseen_rows_and_channels_never_count() -> None:
    """Where the mask is 0 the target may be anything, NaN included: loss and gradient stay the same."""
    random = torch.Generator().manual_seed(0)
    out = torch.rand(2, 20, 59, generator=random, requires_grad=True)
    targets = torch.rand(2, 20, 60, generator=random)
    mask = torch.ones(2, 20, 60)
    mask[0, 5:9] = 0
    mask[:, :, 51] = 0
    scale, spec = torch.ones(60), LossSpec()
    masked_loss(out, targets, mask, scale, spec).backward()
    assert out.grad is not None
    gradient = out.grad.clone()
    assert float(gradient[0, 5:9].abs().max()) == 0
    assert float(gradient[:, :, 51].abs().max()) == 0
    assert float(gradient[1, 5:9, :51].abs().min()) > 0
    out.grad = None
    garbage = torch.where(mask > 0, targets, torch.tensor(float("nan")))
    masked_loss(out, garbage, mask, scale, spec).backward()
    assert torch.equal(out.grad, gradient)


@pytest.mark.parametrize(("closed", "share"), [(1.0, 1 / 2), (3.0, 3 / 4)])
def test_closed_lips_count_more(closed: float, share: float) -> None:
    """Rows whose true lip gap is shut have `closed` times the say of others in the mean."""
    out, targets, mask = torch.zeros(1, 4, 59), torch.zeros(1, 4, 60), torch.zeros(1, 4, 60)
    mask[..., GAP_COLUMN] = 1
    targets[:, 2:, GAP_COLUMN] = out[:, 2:, JAW] = 0.2  # two rows open, and rightly so
    out[:, :2, JAW] = 0.3  # two rows shut, shown open
    spec = LossSpec(velocity=0, steadiness=0, bend=10, closed=closed)
    found = float(masked_loss(out, targets, mask, torch.ones(60), spec))
    assert found == pytest.approx(share * 0.3**2 / (2 * spec.bend))


def test_trembling_costs_more_than_being_off() -> None:
    """An error that changes its sign from row to row costs several times as much as the same error held."""
    targets, mask = torch.zeros(1, 40, 60), torch.zeros(1, 40, 60)
    mask[..., JAW] = 1
    held, trembling = torch.zeros(1, 40, 59), torch.zeros(1, 40, 59)
    held[..., JAW] = 0.1
    trembling[..., JAW] = 0.1 * (-1.0) ** torch.arange(40)
    off, shaking = (float(masked_loss(out, targets, mask, torch.ones(60), LossSpec())) for out in (held, trembling))
    assert shaking > 5 * off


def test_nothing_seen_is_no_loss() -> None:
    """A batch without one valid row gives loss 0, not NaN."""
    loss = masked_loss(torch.ones(1, 9, 59), torch.zeros(1, 9, 60), torch.zeros(1, 9, 60), torch.ones(60), LossSpec())
    assert float(loss) == 0


def test_the_loss_and_the_metric_mean_the_same_lip_gap() -> None:
    """The lip gap column of the loss is face.gap.rig_gap of the weights as the rig would show them."""
    out = torch.randn(5, 59, generator=torch.Generator().manual_seed(1))
    expected = rig_gap(np.clip(out[:, :52].numpy(), 0, 1), ARKIT)
    np.testing.assert_allclose(with_gap(out)[:, GAP_COLUMN].numpy(), expected, atol=1e-6)
