"""Networks over characters: recurrences and transformers, language models and classifiers."""

from __future__ import annotations

from torch import Tensor, nn

from faults import sources
from faults.nouns import Data, Task
from faults.plan import Plan


class Recurrent(nn.Module):
    """Embedding, a recurrence, a head on the mean of its states."""

    def __init__(self, letters: int, classes: int, kind: type[nn.GRU] | type[nn.LSTM], width: int = 40) -> None:
        super().__init__()
        self.embedding = nn.Embedding(letters, 24)
        self.rnn = kind(24, width, batch_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, classes)."""
        states, _ = self.rnn(self.embedding(codes))
        logits: Tensor = self.head(states.mean(dim=1))
        return logits


class Attention(nn.Module):
    """A pre-norm block of attention with two heads and a feed-forward network."""

    def __init__(self, width: int, causal: bool, dropout: float) -> None:
        super().__init__()
        self.causal, self.heads = causal, 2
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc_in, self.fc_out = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor) -> Tensor:
        """States of shape (texts, length, width)."""
        texts, length, width = states.shape
        parted = self.qkv(self.ln_1(states)).view(texts, length, 3, self.heads, width // self.heads)
        query, key, value = parted.permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        states = states + self.dropout(self.proj(mixed.transpose(1, 2).reshape(texts, length, width)))
        inner = self.fc_out(nn.functional.gelu(self.fc_in(self.ln_2(states))))
        after: Tensor = states + self.dropout(inner)
        return after


class Transformer(nn.Module):
    """Embeddings, blocks, and a head: over every place of a causal one, else over the mean."""

    def __init__(
        self,
        letters: int,
        outputs: int,
        length: int,
        causal: bool,
        layers: int = 2,
        width: int = 32,
        tied: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.causal = causal
        self.wte, self.wpe = nn.Embedding(letters, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Attention(width, causal, dropout) for _ in range(layers))
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, outputs, bias=not causal)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.05)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
        if tied:
            self.lm_head.weight = self.wte.weight

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, letters) or (texts, classes)."""
        states = self.wte(codes) + self.wpe.weight[: codes.shape[1]]
        for block in self.blocks:
            states = block(states)
        states = self.ln_f(states)
        logits: Tensor = self.lm_head(states if self.causal else states.mean(dim=1))
        return logits


def scripts_gru(data: Data, seed: int) -> nn.Module:
    """A GRU over names of characters."""
    return Recurrent(len(sources.NAME_LETTERS), data.classes, nn.GRU)


def modules_lstm(data: Data, seed: int) -> nn.Module:
    """An LSTM over lines of source."""
    return Recurrent(len(sources.SOURCE_LETTERS), data.classes, nn.LSTM)


def names_model(data: Data, seed: int) -> nn.Module:
    """A language model of two blocks over names, with a head of its own."""
    return Transformer(data.classes, data.classes, data.inputs.shape[1], causal=True)


def source_model(data: Data, seed: int) -> nn.Module:
    """A language model of three blocks over source, its head tied to the embedding."""
    return Transformer(data.classes, data.classes, data.inputs.shape[1], causal=True, layers=3, tied=True)


def scripts_transformer(data: Data, seed: int) -> nn.Module:
    """A classifier of two blocks over names."""
    return Transformer(len(sources.NAME_LETTERS), data.classes, data.inputs.shape[1], causal=False, dropout=0.1)


def modules_transformer(data: Data, seed: int) -> nn.Module:
    """A classifier of three blocks over lines of source."""
    return Transformer(len(sources.SOURCE_LETTERS), data.classes, data.inputs.shape[1], causal=False, layers=3)


TRANSFORMER = Plan(optimizer="adamw", lr=2e-3, weight_decay=0.01, warm_up=0.05, schedule="cosine", clip_norm=1.0)
TEXT = frozenset({"text", "embedding"})
TASKS = (
    Task(
        "scripts-gru", "first", "recurrent", "classification", sources.scripts, scripts_gru, Plan(lr=5e-3), 0.5,
        TEXT | {"classes", "recurrent"},
    ),
    Task(
        "names-lm", "first", "language-model", "language", sources.names, names_model, TRANSFORMER, 0.7,
        TEXT | {"transformer", "language"},
    ),
    Task(
        "scripts-transformer", "first", "text-classifier", "classification", sources.scripts, scripts_transformer, TRANSFORMER, 0.6,
        TEXT | {"classes", "transformer"},
    ),
    Task(
        "modules-lstm", "first", "recurrent", "classification", sources.modules, modules_lstm, Plan(lr=5e-3, steps=500), 0.8,
        TEXT | {"classes", "recurrent"},
    ),
    Task(
        "source-lm", "first", "language-model", "language", sources.source_text, source_model, TRANSFORMER, 0.75,
        TEXT | {"transformer", "language"},
    ),
    Task(
        "modules-transformer", "first", "text-classifier", "classification", sources.modules, modules_transformer, TRANSFORMER, 0.8,
        TEXT | {"classes", "transformer"},
    ),
)  # fmt: skip
