"""Transformers over text as repositories write them: BERT's class token, a tied GPT, T5's relative places, retention."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from faults import sources_strings
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.attending import GptBlock, drawn

HEADS = 2


def _parted(states: Tensor) -> Tensor:
    """(texts, length, width) to (texts, heads, length, width of one)."""
    heads: Tensor = states.unflatten(2, (HEADS, -1)).transpose(1, 2)
    return heads


class BertLayer(nn.Module):
    """A pre-norm block under the names of BERT."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({name: nn.Linear(width, width) for name in ("query", "key", "value", "output")})
        self.layernorm_before, self.layernorm_after = nn.LayerNorm(width), nn.LayerNorm(width)
        self.intermediate, self.act, self.output = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor) -> Tensor:
        """Of the same shape (texts, length, width)."""
        inner, parts = self.layernorm_before(states), self.attention
        query, key, value = (_parted(parts[name](inner)) for name in ("query", "key", "value"))
        mixed = scaled_dot_product_attention(query, key, value)
        states = states + self.dropout(parts["output"](mixed.transpose(1, 2).flatten(2)))
        after: Tensor = states + self.dropout(self.output(self.act(self.intermediate(self.layernorm_after(states)))))
        return after


class Bert(nn.Module):
    """A token before the text, whose last state is classified, or gives a number."""

    def __init__(self, letters: int, outputs: int, length: int, layers: int = 2, dropout: float = 0.1) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(0.05 * torch.randn(1, 1, 32))
        self.embeddings = nn.ModuleDict({"word": nn.Embedding(letters, 32), "position": nn.Embedding(length + 1, 32)})
        self.layer = nn.ModuleList(BertLayer(32, dropout) for _ in range(layers))
        self.layernorm, self.classifier = nn.LayerNorm(32), nn.Linear(32, outputs)
        drawn(self)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, outputs)."""
        words = self.embeddings["word"](codes)
        states = torch.cat([self.cls_token.expand(len(codes), 1, -1), words], dim=1)
        states = states + self.embeddings["position"](torch.arange(states.shape[1]))
        for block in self.layer:
            states = block(states)
        logits: Tensor = self.classifier(self.layernorm(states)[:, 0])
        return logits


class Tied(nn.Module):
    """A GPT whose head is its embedding."""

    def __init__(self, letters: int, length: int, blocks: int, width: int = 36) -> None:
        super().__init__()
        self.tok_emb, self.pos_emb = nn.Embedding(letters, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(GptBlock(width, True, 0.05) for _ in range(blocks)))
        self.ln_f, self.head = nn.LayerNorm(width), nn.Linear(width, letters, bias=False)
        drawn(self)
        self.head.weight = self.tok_emb.weight

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, letters)."""
        states = self.tok_emb(codes) + self.pos_emb.weight[: codes.shape[1]]
        logits: Tensor = self.head(self.ln_f(self.blocks(states)))
        return logits


class T5Block(nn.Module):
    """Attention without biases over relative places, and a gated layer, each behind a root mean square."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.RMSNorm(width, eps=1e-6), nn.RMSNorm(width, eps=1e-6)
        self.q, self.k, self.v, self.o = (nn.Linear(width, width, bias=False) for _ in range(4))
        self.wi_0, self.wi_1 = nn.Linear(width, 2 * width, bias=False), nn.Linear(width, 2 * width, bias=False)
        self.wo = nn.Linear(2 * width, width, bias=False)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        """Of the same shape; `bias` of shape (heads, length, length) is minus infinity where nothing may be seen."""
        inner = self.ln1(states)
        mixed = scaled_dot_product_attention(_parted(self.q(inner)), _parted(self.k(inner)), _parted(self.v(inner)), attn_mask=bias)
        states = states + self.o(mixed.transpose(1, 2).flatten(2))
        inner = self.ln2(states)
        after: Tensor = states + self.wo(gelu(self.wi_0(inner)) * self.wi_1(inner))
        return after


class T5(nn.Module):
    """A decoder of such blocks: places are known by how far apart they are, by a table that all blocks share."""

    def __init__(self, letters: int, length: int, blocks: int) -> None:
        super().__init__()
        self.shared, self.relative_attention_bias = nn.Embedding(letters, 32), nn.Embedding(length, HEADS)
        self.block = nn.ModuleList(T5Block(32) for _ in range(blocks))
        self.final_layer_norm, self.lm_head = nn.RMSNorm(32, eps=1e-6), nn.Linear(32, letters, bias=False)
        drawn(self, 0.08)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, letters)."""
        states, places = self.shared(codes), torch.arange(codes.shape[1])
        apart = places[:, None] - places[None, :]
        bias = self.relative_attention_bias(apart.clamp(min=0)).permute(2, 0, 1)
        bias = bias.masked_fill(apart < 0, -torch.inf)
        for block in self.block:
            states = block(states, bias)
        logits: Tensor = self.lm_head(self.final_layer_norm(states))
        return logits


class Retention(nn.Module):
    """A sum over the past that fades at a rate of its own in each channel, gated; then a network over channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_time, self.norm_channel = nn.LayerNorm(width), nn.LayerNorm(width)
        self.time_decay = nn.Parameter(torch.linspace(-4.0, 1.0, width))
        self.key, self.value, self.receptance = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.time_out = nn.Linear(width, width, bias=False)
        self.channel_in, self.channel_out = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, states: Tensor) -> Tensor:
        """Of the same shape (texts, length, width)."""
        inner, places = self.norm_time(states), torch.arange(states.shape[1])
        apart = (places[:, None] - places[None, :])[:, :, None]
        fading = nn.functional.softplus(self.time_decay)
        kept = torch.exp(-apart.clamp(min=0) * fading) * (apart >= 0) * (1 - torch.exp(-fading)).sqrt()
        given = torch.sigmoid(self.key(inner)) * self.value(inner)
        past = torch.einsum("tsc,bsc->btc", kept.to(given.dtype), given)
        states = states + self.time_out(torch.sigmoid(self.receptance(inner)) * past)
        after: Tensor = states + self.channel_out(nn.functional.silu(self.channel_in(self.norm_channel(states))))
        return after


class Retained(nn.Module):
    """A language model of such blocks, which needs no places."""

    def __init__(self, letters: int, blocks: int, width: int = 32) -> None:
        super().__init__()
        self.emb, self.ln_in = nn.Embedding(letters, width), nn.LayerNorm(width)
        self.blocks = nn.ModuleList(Retention(width) for _ in range(blocks))
        self.ln_out, self.head = nn.LayerNorm(width), nn.Linear(width, letters)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, letters)."""
        states = self.ln_in(self.emb(codes))
        for block in self.blocks:
            states = block(states)
        logits: Tensor = self.head(self.ln_out(states))
        return logits


def statements_bert(data: Data, seed: int) -> nn.Module:
    """A classifier of statements by a token before them."""
    return Bert(len(sources_strings.STATEMENT_LETTERS), data.classes, data.inputs.shape[1])


def morse_gpt(data: Data, seed: int) -> nn.Module:
    """A tied GPT of two blocks over Morse."""
    return Tied(data.classes, data.inputs.shape[1], blocks=2)


def spelled_t5(data: Data, seed: int) -> nn.Module:
    """A decoder of two of T5's blocks over spelled words."""
    return T5(data.classes, data.inputs.shape[1], blocks=2)


def progressions_retained(data: Data, seed: int) -> nn.Module:
    """Two blocks of retention over progressions."""
    return Retained(data.classes, blocks=2)


TRANSFORMER = Plan(optimizer="adamw", lr=2e-3, weight_decay=0.05, warm_up=0.1, schedule="cosine", clip_norm=1.0, steps=450)
TEXT = frozenset({"text", "embedding"})
TASKS = (
    Task(
        "statements-bert", "third", "encoder-class-token", "classification", sources_strings.statements, statements_bert, TRANSFORMER, 0.6,
        TEXT | {"classes", "transformer", "dropout"},
    ),
    Task(
        "morse-gpt", "third", "gpt-tied", "language", sources_strings.morse, morse_gpt,
        replace(TRANSFORMER, betas=(0.9, 0.95), weight_decay=0.1, steps=320), 0.6, TEXT | {"transformer", "language"},
    ),
    Task(
        "spelled-t5", "third", "decoder-relative", "language", sources_strings.spelled, spelled_t5,
        replace(TRANSFORMER, lr=3e-3, schedule="linear", weight_decay=0.01, batch_size=16, steps=400), 0.6,
        TEXT | {"transformer", "language"},
    ),
    Task(
        "progressions-retained", "third", "retention", "language", sources_strings.progressions, progressions_retained,
        Plan(lr=3e-3, warm_up=0.05, schedule="cosine", clip_norm=1.0, steps=320), 0.7, TEXT | {"language", "normalized", "shortcuts"},
    ),
)  # fmt: skip
