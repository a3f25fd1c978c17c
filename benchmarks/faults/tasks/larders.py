"""Networks over things of the household: language models of GRUs, tied and with ways round, and an autoencoder over a table."""

from __future__ import annotations

from torch import Tensor, nn

from faults import sources_larders
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.codes import Coded


class TiedGru(nn.Module):
    """A GRU whose states are read by the matrix that embeds the characters."""

    def __init__(self, letters: int, width: int = 64) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(letters, width)
        self.gru = nn.GRU(width, width, batch_first=True)
        self.lm_head = nn.Linear(width, letters)
        self.lm_head.weight = self.embed_tokens.weight
        nn.init.normal_(self.embed_tokens.weight, std=width**-0.5)
        nn.init.zeros_(self.lm_head.bias)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, letters)."""
        states, _ = self.gru(self.embed_tokens(codes))
        logits: Tensor = self.lm_head(states)
        return logits


class Storey(nn.Module):
    """Layer normalization and a GRU beside a way round them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm, self.gru = nn.LayerNorm(width), nn.GRU(width, width, batch_first=True)

    def forward(self, states: Tensor) -> Tensor:
        """Of the same shape (texts, length, width)."""
        change, _ = self.gru(self.norm(states))
        after: Tensor = states + change
        return after


class StackedGru(nn.Module):
    """Two such storeys, a last normalization, a decoder."""

    def __init__(self, letters: int, width: int = 48) -> None:
        super().__init__()
        self.embedding, self.storeys = nn.Embedding(letters, width), nn.Sequential(Storey(width), Storey(width))
        self.norm_out, self.decoder = nn.LayerNorm(width), nn.Linear(width, letters)
        # As GPT's: each state comes normalized, and nothing is known at first.
        nn.init.normal_(self.decoder.weight, std=0.02)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, letters)."""
        logits: Tensor = self.decoder(self.norm_out(self.storeys(self.embedding(codes))))
        return logits


def numerals_gru(data: Data, seed: int) -> nn.Module:
    """A tied GRU over numerals."""
    return TiedGru(data.classes)


def knitting_gru(data: Data, seed: int) -> nn.Module:
    """Two GRUs with ways round over patterns."""
    return StackedGru(data.classes)


def foods_coded(data: Data, seed: int) -> nn.Module:
    """Eight numbers between Mish layers that narrow and widen."""
    columns = data.inputs.shape[1]
    encoder = nn.Sequential(nn.Linear(columns, 96), nn.Mish(), nn.Linear(96, 48), nn.Mish(), nn.Linear(48, 8))
    decoder = nn.Sequential(nn.Linear(8, 48), nn.Mish(), nn.Linear(48, 96), nn.Mish(), nn.Linear(96, columns))
    return Coded(encoder, decoder)


LANGUAGE = frozenset({"text", "embedding", "language", "recurrent"})
TASKS = (
    Task(
        "numerals-gru", "fifth", "gru-tied-lm", "language", sources_larders.numerals, numerals_gru,
        Plan(lr=4e-3, steps=500, schedule="cosine", clip_norm=1.0), 0.6, LANGUAGE,
    ),
    Task(
        "knitting-gru", "fifth", "gru-residual-lm", "language", sources_larders.knitting, knitting_gru,
        Plan(optimizer="adamw", lr=3e-3, weight_decay=0.01, steps=300, warm_up=0.05, schedule="cosine", clip_norm=1.0), 0.6,
        LANGUAGE | {"normalized", "shortcuts"},
    ),
    Task(
        "foods-coded", "fifth", "autoencoder-mish", "reconstruction", sources_larders.foods, foods_coded,
        Plan(lr=2e-3, steps=800, batch_size=64, schedule="cosine"), 0.5, frozenset({"autoencoder"}),
    ),
)  # fmt: skip
