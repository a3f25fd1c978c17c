"""Shapes for adversarial pairs: dice, phases of the moon, a hive of clouds, five linked rings, a heart."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from faults.nouns import Data

RECORDS = 4096
DICE = ("4", "08", "048", "0268", "02468", "023568")
"""Which of nine places of a face have a pip."""
PHASES = 6
"""Of the moon, one after another from a thin crescent on the right to one on the left."""
RINGS = torch.tensor([[-1.5, 0.4], [0.0, 0.4], [1.5, 0.4], [-0.75, -0.5], [0.75, -0.5]])
"""Middles of five rings."""


def _pixels() -> Tensor:
    """(64, 2): rows and columns of 8 x 8 pixels, from the middle."""
    return torch.cartesian_prod(torch.arange(8.0), torch.arange(8.0)) - 3.5


def dice(seed: int) -> Data:
    """Images of 8 x 8 from about -1 to 1: soft pips of one of six faces, up to 0.4 pixels off and of uneven darkness, with noise."""
    draw = torch.Generator().manual_seed(seed)
    face = torch.randint(len(DICE), (RECORDS,), generator=draw)
    pips = 2.6 * (torch.cartesian_prod(torch.arange(3.0), torch.arange(3.0)) - 1)
    moved = 0.8 * torch.rand(RECORDS, 1, 2, generator=draw) - 0.4
    ink = 0.8 + 0.2 * torch.rand(RECORDS, 1, generator=draw)
    images = torch.zeros(RECORDS, 64)
    for number, places in enumerate(DICE):
        chosen = face == number
        away = torch.cdist(_pixels() - moved[chosen], pips[[int(place) for place in places]])
        images[chosen] = (-away.square() / 1.1).exp().sum(dim=2).clamp(max=1)
    return Data(1.8 * ink * images - 0.9 + 0.2 * torch.randn(RECORDS, 64, generator=draw), face, RECORDS)


def moon(seed: int) -> Data:
    """Images of 8 x 8 from about -1 to 1: a disc lit from one side, in one of six phases, up to 0.4 pixels off, with noise."""
    draw = torch.Generator().manual_seed(seed)
    phase = torch.randint(PHASES, (RECORDS,), generator=draw)
    turn = (phase + 0.2 + 0.6 * torch.rand(RECORDS, generator=draw)) / PHASES
    moved = 0.8 * torch.rand(RECORDS, 1, 2, generator=draw) - 0.4
    spot = (_pixels() - moved) / 3.3
    down, right = spot[..., 0], spot[..., 1]
    waxing = (turn < 0.5)[:, None]
    share = torch.where(waxing, 2 * turn[:, None], 2 - 2 * turn[:, None])
    # The light ends at half an ellipse, whose width goes from one side of the disc to the other.
    edge = (1 - down.square()).clamp(min=0).sqrt() * (math.pi * share).cos()
    lit = torch.sigmoid(8 * (torch.where(waxing, right, -right) - edge))
    disc = torch.sigmoid(10 * (1 - (down.square() + right.square()).sqrt()))
    return Data(1.8 * disc * lit - 0.9 + 0.2 * torch.randn(RECORDS, 64, generator=draw), phase, RECORDS)


def hive(seed: int) -> Data:
    """Seven clouds, one in the middle and six around it, each long in a direction of its own."""
    draw = torch.Generator().manual_seed(seed)
    cell = torch.randint(7, (RECORDS,), generator=draw)
    out = cell * (math.pi / 3)
    middle = 1.7 * torch.where(cell < 6, 1.0, 0.0)[:, None] * torch.stack([out.cos(), out.sin()], dim=1)
    slant = 2.4 * cell
    long, short = 0.24 * torch.randn(RECORDS, generator=draw), 0.1 * torch.randn(RECORDS, generator=draw)
    points = torch.stack([slant.cos() * long - slant.sin() * short, slant.sin() * long + slant.cos() * short], dim=1)
    return Data(middle + points, cell, RECORDS)


def linked(seed: int) -> Data:
    """Five rings, three above and two below, that reach into each other."""
    draw = torch.Generator().manual_seed(seed)
    ring = torch.randint(5, (RECORDS,), generator=draw)
    turn = 2 * math.pi * torch.rand(RECORDS, generator=draw)
    points = RINGS[ring] + 0.65 * torch.stack([turn.cos(), turn.sin()], dim=1)
    return Data(points + 0.05 * torch.randn(RECORDS, 2, generator=draw), ring, RECORDS)


def heart(seed: int) -> Data:
    """The outline of a heart, in six parts."""
    draw = torch.Generator().manual_seed(seed)
    share = torch.rand(RECORDS, generator=draw)
    turn = 2 * math.pi * share
    across = 16 * turn.sin() ** 3
    up = 13 * turn.cos() - 5 * (2 * turn).cos() - 2 * (3 * turn).cos() - (4 * turn).cos()
    points = torch.stack([across, up + 2.5], dim=1) / 9
    return Data(points + 0.07 * torch.randn(RECORDS, 2, generator=draw), (6 * share).long(), RECORDS)
