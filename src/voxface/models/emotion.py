"""Which emotion a voice sounds like: running statistics of the rows, read by one linear layer.

How somebody feels lies less in single sounds than in how they vary over a phrase: mean, spread and liveliness of
spectrum and loudness (K. Scherer, "Vocal communication of emotion", Speech Communication 40, 2003; B. Schuller et al.,
"The INTERSPEECH 2009 Emotion Challenge" counts such statistics over a whole recording). Here they are sums that forget,
so that a stream has them too; the state is the sums. The layer is linear, so forward reads means and changes first and
sums what was read: seven sums in place of two hundred and forty. Only a spread has to be known before it can be read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from voxface.models.tcn import MEL_BANDS, input_affine
from voxface.timebase import ROW_RATE_HZ

States = tuple[Tensor, Tensor]

_VOICE = 82  # the column of voice activity
_LEAST_SPREAD = 0.03  # in units of input_affine, 1.3 dB: keeps the root away from 0, where it would be steep
_LEAST_VOICE = 1e-5  # hides a division by 0 before the first sound


@dataclass(frozen=True, slots=True)
class EmotionConfig:
    """The shape of an EmotionNet.

    cepstra:     how many cosines over the mel bands stand beside them
    memory_s:    time constant with which the sums forget
    doubt_s:     so many seconds of voice must be remembered for the answer to be half what the voice says and half
                 neutral: a short sound proves little, and in silence the face calms down
    slow:        liveliness is the mean absolute change over so many rows; that of cepstra and loudness from row to row
                 too, which is where a tense voice differs (without it .05 of accuracy are lost, docs/emotion.md)
    features, emotions: numbers per row in and out
    """

    cepstra: int = 26
    memory_s: float = 2.5
    doubt_s: float = 0.05
    slow: int = 4
    features: int = 83
    emotions: int = 7

    @property
    def doubt(self) -> float:
        """doubt_s as a share of the memory."""
        return self.doubt_s / self.memory_s

    @property
    def columns(self) -> int:
        """What statistics are taken of: mel bands, cepstra, loudness, zero crossings."""
        return MEL_BANDS + self.cepstra + 2

    @property
    def statistics(self) -> int:
        """Means, spreads, slow changes, and the quick ones of all but the mel bands."""
        return 3 * self.columns + self.columns - MEL_BANDS

    @property
    def state_shapes(self) -> tuple[tuple[int, int], ...]:
        """(rows, width) of each state: the columns of the last rows; the sums of what was read of them, of them and
        their squares, and of voice."""
        return (self.slow, self.columns), (1, self.emotions + 2 * self.columns + 1)

    @property
    def fall(self) -> float:
        """How much the sums forget from row to row, in e-folds."""
        return 1 / (ROW_RATE_HZ * self.memory_s)


class EmotionNet(nn.Module):
    """(batch, rows, 83) features -> (batch, rows, emotions) in [0, 1] that sum to 1, causal.

    Args:
        neutral: which emotion is none.
        unheard: emotions of which the training knows nothing; they stay 0.
    """

    cosines: Tensor
    input_centre: Tensor
    input_scale: Tensor
    centre: Tensor
    scale: Tensor
    silenced: Tensor
    calm: Tensor

    def __init__(self, config: EmotionConfig, neutral: int, unheard: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.config, self.features = config, config.features
        self.outputs, self.state_shapes = ("emotion",), config.state_shapes
        centre, scale = input_affine(config.features)
        self.register_buffer("input_centre", centre, persistent=False)
        self.register_buffer("input_scale", scale, persistent=False)
        self.register_buffer("cosines", _cosines(config.cepstra), persistent=False)
        self.register_buffer("centre", torch.zeros(config.statistics))
        self.register_buffer("scale", torch.ones(config.statistics))
        marked = torch.zeros(2, config.emotions)
        marked[0, list(unheard)], marked[1, neutral] = -1e4, 1
        self.register_buffer("silenced", marked[0], persistent=False)
        self.register_buffer("calm", marked[1], persistent=False)
        self.read = nn.Linear(config.statistics, config.emotions)

    def start(self, batch: int = 1) -> States:
        """The states before the first row: nothing was heard."""
        before, sums = (torch.zeros(batch, *shape) for shape in self.state_shapes)
        return before, sums

    def forward(self, rows: Tensor, before: Tensor, sums: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(batch, n, 83) rows and the states -> (batch, n, emotions), new states."""
        count, width = self.config.emotions, self.config.columns
        weight = self.read.weight * self.scale
        bias = self.read.bias - weight @ self.centre + self.silenced
        means, spreads, slow, quick = torch.split(weight, [width, width, width, width - MEL_BANDS], dim=1)
        columns, changes, before = self._heard(rows, before)
        read = columns @ means.T + changes[0] @ slow.T + changes[1] @ quick.T
        running = self._forgetting(torch.cat([read, columns, columns * columns], dim=-1), rows, sums)
        share = running[..., -1:]
        known = running[..., :-1] / share.clamp_min(_LEAST_VOICE)
        spread = _spread(known[..., count : count + width], known[..., count + width :])
        said = torch.softmax(known[..., :count] + spread @ spreads.T + bias, dim=-1)
        sure = share / (share + self.config.doubt)
        return sure * said + (1 - sure) * self.calm, before, running[:, -1:]

    def logits(self, statistics: Tensor) -> Tensor:
        """(..., statistics) -> (..., emotions), before the softmax."""
        out: Tensor = self.read((statistics - self.centre) * self.scale) + self.silenced
        return out

    def statistics(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """What there is to read of (batch, n, 83) rows, the first of their sound: (batch, n, statistics); and (batch,
        n, 1), the share of the memory that is voice."""
        columns, changes, _ = self._heard(rows, self.start(len(rows))[0])
        parts = torch.cat([columns, columns * columns, *changes], dim=-1)
        running = self._forgetting(parts, rows, torch.zeros(len(rows), 1, self.config.statistics + 1))
        share, width = running[..., -1:], self.config.columns
        means = running[..., :-1] / share.clamp_min(_LEAST_VOICE)
        spread = _spread(means[..., :width], means[..., width : 2 * width])
        return torch.cat([means[..., :width], spread, means[..., 2 * width :]], dim=-1), share

    def _heard(self, rows: Tensor, before: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
        """(batch, n, 83) rows -> columns; their slow changes, and the quick ones of all but the mel bands; the last
        columns, for the next rows."""
        columns = self._columns(rows)
        heard = torch.cat([before, columns], dim=1)
        count, last = rows.shape[1], self.config.slow - 1
        slow = (columns - heard[:, :count]).abs()
        quick = (columns - heard[:, last : last + count])[..., MEL_BANDS:].abs()
        return columns, (slow, quick), heard[:, count:]

    def _columns(self, rows: Tensor) -> Tensor:
        scaled = (rows - self.input_centre) * self.input_scale
        mel = scaled[..., :MEL_BANDS]
        return torch.cat([mel, mel @ self.cosines, scaled[..., MEL_BANDS:_VOICE]], dim=-1)

    def _forgetting(self, parts: Tensor, rows: Tensor, sums: Tensor) -> Tensor:
        """(batch, n, width) and the sums so far (batch, 1, width + 1) -> the sums after each row, of voice alone, the
        older the less; the last is that of voice itself.

        As one matrix product: entry (i, j) is how much row j counts after row i; together they count 1.
        """
        voice = rows[..., _VOICE : _VOICE + 1]
        count = torch.arange(parts.shape[1], dtype=torch.float32)
        age = count[:, None] - count
        fall = self.config.fall
        left = torch.exp(-fall * age.clamp_min(0)) * (age >= 0).to(parts) * (1 - math.exp(-fall))
        return left @ torch.cat([parts * voice, voice], dim=-1) + torch.exp(-fall * (count + 1))[:, None] * sums


def _spread(mean: Tensor, square: Tensor) -> Tensor:
    return ((square - mean**2).clamp_min(0) + _LEAST_SPREAD**2).sqrt()


def _cosines(count: int) -> Tensor:
    """(80, count): the discrete cosine transform II of orthonormal scale, over the mel bands."""
    band, order = torch.arange(MEL_BANDS) + 0.5, torch.arange(count)
    matrix = torch.cos(math.pi / MEL_BANDS * band[:, None] * order) * math.sqrt(2 / MEL_BANDS)
    matrix[:, 0] /= math.sqrt(2)
    return matrix
