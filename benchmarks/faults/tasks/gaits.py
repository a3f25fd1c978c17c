"""Recurrences over recordings of a gait: two storeys of Elman's network over pairs of frames."""

from __future__ import annotations

from torch import Tensor, nn

from faults import sources_swings
from faults.nouns import Data, Task
from faults.plan import Plan


class TwoStoreys(nn.Module):
    """Two Elman networks, one on the other's states, that start orthogonal, and a classifier on the mean of the upper one's."""

    def __init__(self, classes: int, width: int = 40) -> None:
        super().__init__()
        self.rnn_stack, self.to_gait = nn.RNN(4, width, num_layers=2, batch_first=True), nn.Linear(width, classes)
        for name, each in self.rnn_stack.named_parameters():
            if name.startswith("weight_ih"):
                nn.init.xavier_uniform_(each)
            elif name.startswith("weight_hh"):
                nn.init.orthogonal_(each, gain=0.8)

    def forward(self, angles: Tensor) -> Tensor:
        """Logits of shape (recordings, classes), of recordings of shape (recordings, 2, frames)."""
        steps = angles.unflatten(2, (-1, 2)).transpose(1, 2).flatten(2)
        states, _ = self.rnn_stack(steps)
        logits: Tensor = self.to_gait(states.mean(dim=1))
        return logits


def gaits_rnn(data: Data, seed: int) -> nn.Module:
    """Two storeys over gaits."""
    return TwoStoreys(data.classes)


TASKS = (
    Task(
        "gaits-rnn", "fourth", "rnn-two-layer", "classification", sources_swings.gaits, gaits_rnn,
        Plan(optimizer="adamw", lr=1e-3, weight_decay=0.01, steps=500, schedule="cosine", warm_up=0.05, clip_norm=1.0), 0.4,
        frozenset({"classes", "recurrent", "tanh", "saturating"}),
    ),
)  # fmt: skip
