"""Transformers that know places otherwise: rotated queries and keys, linear attention, distances as slopes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import elu, scaled_dot_product_attention, silu

from faults import sources_phrases
from faults.nouns import Data, Task
from faults.plan import Plan
from faults.tasks.attending import drawn

WIDTH, HEADS = 40, 2


def _parted(states: Tensor) -> Tensor:
    """(texts, length, width) to (texts, heads, length, width of one)."""
    heads: Tensor = states.unflatten(2, (HEADS, -1)).transpose(1, 2)
    return heads


def _joined(heads: Tensor) -> Tensor:
    """Back to (texts, length, width)."""
    return heads.transpose(1, 2).flatten(2)


def _rotated(heads: Tensor) -> Tensor:
    """Pairs of channels turned by the place times a rate of their own (Su et al., RoFormer)."""
    half = heads.shape[-1] // 2
    rates = 10_000.0 ** -(torch.arange(half, dtype=heads.dtype) / half)
    turns = torch.arange(heads.shape[2], dtype=heads.dtype)[:, None] * rates
    first, second = heads[..., :half], heads[..., half:]
    return torch.cat([first * turns.cos() - second * turns.sin(), first * turns.sin() + second * turns.cos()], dim=-1)


class RotaryBlock(nn.Module):
    """Causal attention over rotated places and a gated layer, each behind a root mean square."""

    def __init__(self) -> None:
        super().__init__()
        self.attention_norm, self.ffn_norm = nn.RMSNorm(WIDTH, eps=1e-5), nn.RMSNorm(WIDTH, eps=1e-5)
        self.wq, self.wk, self.wv, self.wo = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(4))
        self.w1, self.w3 = nn.Linear(WIDTH, 2 * WIDTH, bias=False), nn.Linear(WIDTH, 2 * WIDTH, bias=False)
        self.w2 = nn.Linear(2 * WIDTH, WIDTH, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        """Of the same shape (texts, length, width)."""
        inner = self.attention_norm(states)
        query, key, value = _rotated(_parted(self.wq(inner))), _rotated(_parted(self.wk(inner))), _parted(self.wv(inner))
        states = states + self.wo(_joined(scaled_dot_product_attention(query, key, value, is_causal=True)))
        inner = self.ffn_norm(states)
        after: Tensor = states + self.w2(silu(self.w1(inner)) * self.w3(inner))
        return after


class Rotary(nn.Module):
    """Such blocks; an answer at every place, or one for the mean of all."""

    def __init__(self, letters: int, outputs: int, everywhere: bool, blocks: int = 2) -> None:
        super().__init__()
        self.everywhere = everywhere
        self.tok_embeddings = nn.Embedding(letters, WIDTH)
        self.layers = nn.ModuleList(RotaryBlock() for _ in range(blocks))
        self.norm, self.output = nn.RMSNorm(WIDTH, eps=1e-5), nn.Linear(WIDTH, outputs, bias=False)
        drawn(self, 0.08)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, letters) or (texts, classes)."""
        states = self.tok_embeddings(codes)
        for block in self.layers:
            states = block(states)
        states = self.norm(states)
        logits: Tensor = self.output(states if self.everywhere else states.mean(dim=1))
        return logits


class LinearBlock(nn.Module):
    """Causal attention whose weights are products of positive features (Katharopoulos et al.), and a wider layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm_attn, self.norm_ff = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_qkv, self.to_out = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, width)
        self.ff = nn.Sequential(nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width))

    def forward(self, states: Tensor) -> Tensor:
        """Of the same shape (texts, length, width)."""
        query, key, value = (_parted(part) for part in self.to_qkv(self.norm_attn(states)).chunk(3, dim=2))
        weights = ((elu(query) + 1) @ (elu(key) + 1).transpose(2, 3)).tril()
        states = states + self.to_out(_joined(weights @ value / weights.sum(dim=3, keepdim=True)))
        after: Tensor = states + self.ff(self.norm_ff(states))
        return after


class LinearAttention(nn.Module):
    """A language model of such blocks, with places of sines and cosines."""

    def __init__(self, letters: int, length: int, blocks: int, width: int = 32) -> None:
        super().__init__()
        self.token_emb, self.emb_dropout = nn.Embedding(letters, width), nn.Dropout(0.05)
        rates = 100.0 ** -(torch.arange(width // 2) / (width // 2))
        turns = torch.arange(length)[:, None] * rates
        self.register_buffer("pos_table", torch.cat([turns.sin(), turns.cos()], dim=1))
        self.blocks = nn.ModuleList(LinearBlock(width) for _ in range(blocks))
        self.norm, self.to_logits = nn.LayerNorm(width), nn.Linear(width, letters)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, letters)."""
        places = self.get_buffer("pos_table")
        states = self.emb_dropout(self.token_emb(codes) + places[: codes.shape[1]])
        for block in self.blocks:
            states = block(states)
        logits: Tensor = self.to_logits(self.norm(states))
        return logits


class SlopedBlock(nn.Module):
    """Attention to both sides that fades with distance, at a slope of its own in each head (Press et al., ALiBi)."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.pre_norm, self.mid_norm, self.dropout = nn.LayerNorm(width), nn.LayerNorm(width), nn.Dropout(dropout)
        self.query, self.key, self.value, self.merge = (nn.Linear(width, width) for _ in range(4))
        self.up, self.gelu, self.down = nn.Linear(width, 3 * width), nn.GELU(), nn.Linear(3 * width, width)

    def forward(self, states: Tensor, fading: Tensor) -> Tensor:
        """Of the same shape; `fading` of shape (heads, length, length)."""
        inner = self.pre_norm(states)
        mixed = scaled_dot_product_attention(
            _parted(self.query(inner)), _parted(self.key(inner)), _parted(self.value(inner)), attn_mask=fading
        )
        states = states + self.dropout(self.merge(_joined(mixed)))
        after: Tensor = states + self.dropout(self.down(self.gelu(self.up(self.mid_norm(states)))))
        return after


class Sloped(nn.Module):
    """Such blocks, of whose states the first one is classified: it stands for what is asked."""

    def __init__(self, letters: int, classes: int, blocks: int) -> None:
        super().__init__()
        self.tokens, self.encoder = nn.Embedding(letters, WIDTH), nn.ModuleList(SlopedBlock(WIDTH, 0.05) for _ in range(blocks))
        self.final_norm, self.answer = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, classes)
        drawn(self, 0.1)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (lists, classes)."""
        states = self.tokens(codes)
        places = torch.arange(codes.shape[1])
        fading = -(places[:, None] - places[None, :]).abs() * torch.tensor([1.0, 0.0625])[:, None, None]
        for block in self.encoder:
            states = block(states, fading.to(states.dtype))
        logits: Tensor = self.answer(self.final_norm(states)[:, 0])
        return logits


def chess_rotary(data: Data, seed: int) -> nn.Module:
    """A language model of two rotary blocks over paths of chess pieces."""
    return Rotary(data.classes, data.classes, everywhere=True)


def clock_linear(data: Data, seed: int) -> nn.Module:
    """A language model of two blocks of linear attention over clock times."""
    return LinearAttention(data.classes, data.inputs.shape[1], blocks=2)


def lists_sloped(data: Data, seed: int) -> nn.Module:
    """Two blocks over lists."""
    return Sloped(len(sources_phrases.LIST_LETTERS), data.classes, blocks=2)


LANGUAGE = frozenset({"text", "embedding", "transformer", "language"})
TASKS = (
    Task(
        "chess-rotary", "fourth", "decoder-rotary", "language", sources_phrases.chess_text, chess_rotary,
        Plan(optimizer="adamw", lr=3e-3, betas=(0.9, 0.95), weight_decay=0.1, warm_up=0.05, schedule="cosine", clip_norm=1.0, steps=400),
        0.5, LANGUAGE,
    ),
    Task(
        "clock-linear", "fourth", "decoder-linear-attention", "language", sources_phrases.clock_times, clock_linear,
        Plan(lr=2e-3, warm_up=0.1, schedule="linear", steps=450, batch_size=24, clip_norm=1.0), 0.6, LANGUAGE,
    ),
    Task(
        "lists-sloped", "fourth", "encoder-sloped", "classification", sources_phrases.lists, lists_sloped,
        Plan(optimizer="adamw", lr=2e-3, weight_decay=0.02, warm_up=0.1, schedule="cosine", clip_norm=1.0, steps=450, batch_size=48), 0.5,
        frozenset({"text", "embedding", "transformer", "classes", "dropout"}),
    ),
)  # fmt: skip
