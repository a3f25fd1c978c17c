"""Language models of further shapes: shared keys in parallel blocks, gated convolutions, two residual GRUs over words."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

from faults import sources_glossaries
from faults.nouns import Data, Task
from faults.plan import Plan


class ParallelBlock(nn.Module):
    """Attention of four queries' heads on one head of keys and values, and a feed-forward net, both read from one normalization."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.input_layernorm = nn.LayerNorm(width)
        self.q_proj, self.kv_proj = nn.Linear(width, width, bias=False), nn.Linear(width, 2 * width // heads, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)
        self.fc_in, self.act, self.fc_out = nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width)

    def forward(self, states: Tensor) -> Tensor:
        """States of shape (texts, length, width)."""
        texts, length, width = states.shape
        inner = self.input_layernorm(states)
        queries = self.q_proj(inner).view(texts, length, self.heads, width // self.heads).transpose(1, 2)
        keys, values = self.kv_proj(inner)[:, None].expand(-1, self.heads, -1, -1).chunk(2, dim=3)
        mixed = scaled_dot_product_attention(queries, keys, values, is_causal=True).transpose(1, 2).reshape(texts, length, width)
        after: Tensor = states + self.o_proj(mixed) + self.fc_out(self.act(self.fc_in(inner)))
        return after


class Parallel(nn.Module):
    """Embedded letters and places, such blocks, a normalization, a head over every place."""

    def __init__(self, letters: int, length: int, width: int = 48, blocks: int = 2) -> None:
        super().__init__()
        self.embed_tokens, self.embed_positions = nn.Embedding(letters, width), nn.Embedding(length, width)
        self.layers, self.final_layernorm = nn.ModuleList(ParallelBlock(width) for _ in range(blocks)), nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, letters, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.trunc_normal_(module.weight, std=0.06, a=-0.12, b=0.12)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, letters)."""
        states = self.embed_tokens(codes) + self.embed_positions.weight[: codes.shape[1]]
        for layer in self.layers:
            states = layer(states)
        logits: Tensor = self.lm_head(self.final_layernorm(states))
        return logits


class GatedConvolution(nn.Module):
    """A causal convolution, half of which opens the other half by sigmoids, beside a shortcut."""

    def __init__(self, width: int, size: int, dilation: int) -> None:
        super().__init__()
        self.reach, self.norm = (size - 1) * dilation, nn.LayerNorm(width)
        self.conv, self.glu = nn.Conv1d(width, 2 * width, size, dilation=dilation), nn.GLU(dim=1)

    def forward(self, states: Tensor) -> Tensor:
        """States of shape (texts, width, length)."""
        before = pad(self.norm(states.transpose(1, 2)).transpose(1, 2), (self.reach, 0))
        after: Tensor = states + self.glu(self.conv(before))
        return after


class GatedCnn(nn.Module):
    """Embedded letters, gated convolutions that reach farther and farther back, an output layer over every place."""

    def __init__(self, letters: int, width: int = 32) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(letters, width)
        self.gated = nn.Sequential(*(GatedConvolution(width, 3, dilation) for dilation in (1, 2, 4, 5)))
        self.output = nn.Linear(width, letters)
        nn.init.normal_(self.token_embedding.weight, std=0.5)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, letters)."""
        states = self.gated(self.token_embedding(codes).transpose(1, 2))
        logits: Tensor = self.output(states.transpose(1, 2))
        return logits


class ResidualGru(nn.Module):
    """Two GRUs, each beside a shortcut, dropout, a normalization, and a decoder over every place."""

    def __init__(self, words: int, width: int = 56) -> None:
        super().__init__()
        self.wte, self.drop = nn.Embedding(words, width), nn.Dropout(0.1)
        self.gru_0, self.gru_1 = nn.GRU(width, width, batch_first=True), nn.GRU(width, width, batch_first=True)
        self.ln_f, self.decoder = nn.LayerNorm(width), nn.Linear(width, words)
        nn.init.normal_(self.wte.weight, std=0.3)
        nn.init.normal_(self.decoder.weight, std=0.02)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, words)."""
        states = self.drop(self.wte(codes))
        for gru in (self.gru_0, self.gru_1):
            states = states + self.drop(gru(states)[0])
        logits: Tensor = self.decoder(self.ln_f(states))
        return logits


def derivatives_parallel(data: Data, seed: int) -> nn.Module:
    """Two parallel blocks over derivatives."""
    return Parallel(data.classes, data.inputs.shape[1])


def conjugations_gated(data: Data, seed: int) -> nn.Module:
    """Gated convolutions over conjugations."""
    return GatedCnn(data.classes)


def sentences_gru(data: Data, seed: int) -> nn.Module:
    """Residual GRUs over words."""
    return ResidualGru(data.classes)


LANGUAGE = frozenset({"text", "embedding", "language"})
TASKS = (
    Task(
        "derivatives-parallel", "fifth", "decoder-multi-query", "language", sources_glossaries.derivatives, derivatives_parallel,
        Plan(optimizer="adamw", lr=3e-3, betas=(0.9, 0.95), weight_decay=0.1, warm_up=0.1, schedule="cosine", clip_norm=1.0, steps=450),
        0.6, LANGUAGE | {"transformer"},
    ),
    Task(
        "conjugations-gated", "fifth", "gated-cnn-lm", "language", sources_glossaries.conjugations, conjugations_gated,
        Plan(lr=4e-3, schedule="linear", steps=420, clip_norm=1.0, batch_size=16), 0.6,
        LANGUAGE | {"convolutional", "shortcuts", "normalized"},
    ),
    Task(
        "sentences-gru", "fifth", "gru-residual-lm", "language", sources_glossaries.sentences, sentences_gru,
        Plan(lr=4e-3, schedule="cosine", steps=450, clip_norm=0.5), 0.6, LANGUAGE | {"recurrent", "dropout", "shortcuts", "normalized"},
    ),
)  # fmt: skip
