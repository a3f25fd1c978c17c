"""Shapes for adversarial pairs: charts of bars, letters drawn with a soft pen, a woven curve, slanting leaves."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from faults.nouns import Data

RECORDS = 4096
CHARTS = torch.tensor([[1, 3, 5, 7], [7, 5, 3, 1], [2, 6, 6, 2], [6, 2, 2, 6], [6, 2, 6, 2], [2, 6, 2, 6]])
"""Heights of four bars, of 8 pixels."""
LETTERS = {
    "L": ((1, 1, 6, 1), (6, 1, 6, 5)),
    "T": ((1, 1, 1, 6), (1, 3.5, 6, 3.5)),
    "X": ((1, 1, 6, 6), (1, 6, 6, 1)),
    "V": ((1, 1, 6, 3.5), (6, 3.5, 1, 6)),
    "H": ((1, 1, 6, 1), (3.5, 1, 3.5, 6), (1, 6, 6, 6)),
    "U": ((1, 1, 6, 1), (6, 1, 6, 6), (6, 6, 1, 6)),
}
"""Strokes from row and column to row and column, of 8 x 8 pixels."""


def charts(seed: int) -> Data:
    """Images of 8 x 8 from about -1 to 1: four bars in one of six orders, up to a pixel higher or lower each, with noise."""
    draw = torch.Generator().manual_seed(seed)
    kind = torch.randint(len(CHARTS), (RECORDS,), generator=draw)
    heights = CHARTS[kind] + 2 * torch.rand(RECORDS, 4, generator=draw) - 1
    filled = (heights.repeat_interleave(2, dim=1)[:, None, :] - torch.arange(7.0, -1.0, -1.0)[:, None]).clamp(0, 1)
    return Data(1.8 * filled.flatten(1) - 0.9 + 0.2 * torch.randn(RECORDS, 64, generator=draw), kind, RECORDS)


def weave(seed: int) -> Data:
    """A curve that crosses itself, two swings across while one up and down, in six parts."""
    draw = torch.Generator().manual_seed(seed)
    along = torch.rand(RECORDS, generator=draw)
    points = torch.stack([1.7 * (2 * math.pi * along).sin(), 1.3 * (4 * math.pi * along).sin()], dim=1)
    return Data(points + 0.1 * torch.randn(RECORDS, 2, generator=draw), (6 * along).long(), RECORDS)


def leaves(seed: int) -> Data:
    """Six long clouds around the middle, each aslant of the way to it."""
    draw = torch.Generator().manual_seed(seed)
    leaf = torch.randint(6, (RECORDS,), generator=draw)
    out = leaf * (math.pi / 3)
    slant = out + math.pi / 4
    long, short = 0.35 * torch.randn(RECORDS, generator=draw), 0.1 * torch.randn(RECORDS, generator=draw)
    return Data(1.7 * _turned(out, 1.0, 0.0) + _turned(slant, long, short), leaf, RECORDS)


def _turned(angle: Tensor, along: Tensor | float, across: Tensor | float) -> Tensor:
    return torch.stack([angle.cos() * along - angle.sin() * across, angle.sin() * along + angle.cos() * across], dim=1)


def letters(seed: int) -> Data:
    """Images of 8 x 8 from about -1 to 1: one of six letters, up to half a pixel off and somewhat aslant, with noise."""
    draw = torch.Generator().manual_seed(seed)
    kind = torch.randint(len(LETTERS), (RECORDS,), generator=draw)
    images = torch.zeros(RECORDS, 64)
    grid = torch.cartesian_prod(torch.arange(8.0), torch.arange(8.0)) - 3.5
    moved = torch.rand(RECORDS, 1, 2, generator=draw) - 0.5
    slant = 0.3 * torch.rand(RECORDS, 1, generator=draw) - 0.15
    pixels = grid - moved
    pixels = torch.stack([pixels[..., 0], pixels[..., 1] + slant * pixels[..., 0]], dim=2)
    for number, strokes in enumerate(LETTERS.values()):
        chosen = kind == number
        away = torch.stack([_away(pixels[chosen], torch.tensor(stroke) - 3.5) for stroke in strokes]).min(dim=0).values
        images[chosen] = 1.8 * (-away.square() / 0.8).exp() - 0.9
    return Data(images + 0.2 * torch.randn(RECORDS, 64, generator=draw), kind, RECORDS)


def _away(pixels: Tensor, stroke: Tensor) -> Tensor:
    """Distance of pixels (records, 64, 2) from a stroke."""
    start, way = stroke[:2], stroke[2:] - stroke[:2]
    share = (((pixels - start) @ way) / way.square().sum()).clamp(0, 1)
    return (pixels - start - share[..., None] * way).square().sum(dim=2).sqrt()
