"""Transformers and mixers in the shapes that repositories have: GPT, Llama, BERT's post-norm, ViT, MLP-Mixer."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention, silu

from faults import sources_drawn, sources_made
from faults.nouns import Data, Task
from faults.plan import Plan


def drawn(net: nn.Module, deviation: float = 0.05) -> nn.Module:
    """The network with all matrices and embeddings drawn normal and biases at zero."""
    for module in net.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=deviation)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    return net


class Heads(nn.Module):
    """Attention with two heads; its two layers go by the given names."""

    def __init__(self, width: int, causal: bool, names: tuple[str, str], bias: bool = True) -> None:
        super().__init__()
        self.causal, self.names = causal, names
        self.add_module(names[0], nn.Linear(width, 3 * width, bias=bias))
        self.add_module(names[1], nn.Linear(width, width, bias=bias))

    def forward(self, states: Tensor) -> Tensor:
        """States of shape (texts, length, width)."""
        texts, length, width = states.shape
        parted = self.get_submodule(self.names[0])(states).view(texts, length, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(parted[0], parted[1], parted[2], is_causal=self.causal)
        answers: Tensor = self.get_submodule(self.names[1])(mixed.transpose(1, 2).reshape(texts, length, width))
        return answers


class Feed(nn.Module):
    """Four times as wide, GELU, and back."""

    def __init__(self, width: int, names: tuple[str, str]) -> None:
        super().__init__()
        self.names, self.act = names, nn.GELU()
        self.add_module(names[0], nn.Linear(width, 4 * width))
        self.add_module(names[1], nn.Linear(4 * width, width))

    def forward(self, states: Tensor) -> Tensor:
        """Of the same shape."""
        answers: Tensor = self.get_submodule(self.names[1])(self.act(self.get_submodule(self.names[0])(states)))
        return answers


class GptBlock(nn.Module):
    """A pre-norm block under GPT-2's names."""

    def __init__(self, width: int, causal: bool, dropout: float) -> None:
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(width), Heads(width, causal, ("c_attn", "c_proj"))
        self.ln_2, self.mlp = nn.LayerNorm(width), Feed(width, ("c_fc", "c_proj"))
        self.drop = nn.Dropout(dropout)

    def forward(self, states: Tensor) -> Tensor:
        """Of the same shape."""
        states = states + self.drop(self.attn(self.ln_1(states)))
        after: Tensor = states + self.drop(self.mlp(self.ln_2(states)))
        return after


class Gpt(nn.Module):
    """GPT-2 in small: over every place where it is causal, else over the mean."""

    def __init__(self, letters: int, outputs: int, length: int, causal: bool, blocks: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.causal = causal
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(letters, 32), "wpe": nn.Embedding(length, 32),
            "h": nn.ModuleList(GptBlock(32, causal, dropout) for _ in range(blocks)), "ln_f": nn.LayerNorm(32),
        })  # fmt: skip
        self.lm_head = nn.Linear(32, outputs, bias=not causal)
        drawn(self)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, letters) or (texts, classes)."""
        parts = self.transformer
        states = parts["wte"](codes) + parts["wpe"](torch.arange(codes.shape[1]))
        for block in self.get_submodule("transformer.h").children():
            states = block(states)
        states = parts["ln_f"](states)
        logits: Tensor = self.lm_head(states if self.causal else states.mean(dim=1))
        return logits


class LlamaBlock(nn.Module):
    """A block of root-mean-square norms and a gated feed-forward network, without biases."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.input_layernorm, self.self_attn = nn.RMSNorm(width, eps=1e-6), Heads(width, True, ("qkv", "o_proj"), bias=False)
        self.post_attention_layernorm = nn.RMSNorm(width, eps=1e-6)
        self.w1, self.w3 = nn.Linear(width, 3 * width, bias=False), nn.Linear(width, 3 * width, bias=False)
        self.w2 = nn.Linear(3 * width, width, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        """Of the same shape."""
        states = states + self.self_attn(self.input_layernorm(states))
        inner = self.post_attention_layernorm(states)
        after: Tensor = states + self.w2(silu(self.w1(inner)) * self.w3(inner))
        return after


class Llama(nn.Module):
    """Two such blocks behind an embedding; places are embedded too."""

    def __init__(self, letters: int, length: int) -> None:
        super().__init__()
        self.embed_tokens, self.embed_positions = nn.Embedding(letters, 32), nn.Embedding(length, 32)
        self.layers = nn.ModuleList(LlamaBlock(32) for _ in range(2))
        self.norm, self.lm_head = nn.RMSNorm(32, eps=1e-6), nn.Linear(32, letters, bias=False)
        drawn(self)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, length, letters)."""
        states = self.embed_tokens(codes) + self.embed_positions.weight[: codes.shape[1]]
        for block in self.layers:
            states = block(states)
        logits: Tensor = self.lm_head(self.norm(states))
        return logits


class PostBlock(nn.Module):
    """A block that normalizes after each sum, as the first transformers did."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.self_attn, self.norm1 = Heads(width, False, ("in_projection", "out_proj")), nn.LayerNorm(width)
        self.linear1, self.linear2, self.norm2 = nn.Linear(width, 2 * width), nn.Linear(2 * width, width), nn.LayerNorm(width)
        self.activation, self.dropout = nn.ReLU(), nn.Dropout(dropout)

    def forward(self, states: Tensor) -> Tensor:
        """Of the same shape."""
        states = self.norm1(states + self.dropout(self.self_attn(states)))
        after: Tensor = self.norm2(states + self.dropout(self.linear2(self.activation(self.linear1(states)))))
        return after


class Encoder(nn.Module):
    """Embeddings, normalized, post-norm blocks, a head on the mean."""

    def __init__(self, letters: int, classes: int, length: int, blocks: int = 2) -> None:
        super().__init__()
        self.word_embeddings, self.position_embeddings = nn.Embedding(letters, 32), nn.Embedding(length, 32)
        self.norm = nn.LayerNorm(32)
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(PostBlock(32, 0.1) for _ in range(blocks))})
        self.classifier = nn.Linear(32, classes)
        drawn(self, 0.1)

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of shape (texts, classes)."""
        states = self.norm(self.word_embeddings(codes) + self.position_embeddings.weight[: codes.shape[1]])
        for block in self.get_submodule("encoder.layers").children():
            states = block(states)
        logits: Tensor = self.classifier(states.mean(dim=1))
        return logits


class VitBlock(nn.Module):
    """A pre-norm block under the names of timm."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), Heads(width, False, ("qkv", "proj"))
        self.norm2, self.mlp = nn.LayerNorm(width), Feed(width, ("fc1", "fc2"))
        self.drop = nn.Dropout(dropout)

    def forward(self, states: Tensor) -> Tensor:
        """Of the same shape."""
        states = states + self.drop(self.attn(self.norm1(states)))
        after: Tensor = states + self.drop(self.mlp(self.norm2(states)))
        return after


class Vit(nn.Module):
    """Patches of 4 x 4 pixels, blocks, the mean of all patches, a head."""

    def __init__(self, side: int, classes: int, blocks: int = 2, dropout: float = 0.0) -> None:
        super().__init__()
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, 32, 4, 4)})
        self.pos_embed = nn.Parameter(0.05 * torch.randn(1, (side // 4) ** 2, 32))
        self.blocks = nn.Sequential(*(VitBlock(32, dropout) for _ in range(blocks)))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, classes)
        drawn(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of shape (images, classes)."""
        patches = self.patch_embed["proj"](images).flatten(2).transpose(1, 2)
        logits: Tensor = self.head(self.norm(self.blocks(patches + self.pos_embed)).mean(dim=1))
        return logits


class MixerBlock(nn.Module):
    """A network over patches and one over channels, each beside a shortcut."""

    def __init__(self, patches: int, width: int) -> None:
        super().__init__()
        self.norm1, self.mlp_tokens = nn.LayerNorm(width), Feed(patches, ("fc1", "fc2"))
        self.norm2, self.mlp_channels = nn.LayerNorm(width), Feed(width, ("fc1", "fc2"))

    def forward(self, states: Tensor) -> Tensor:
        """Of the same shape (images, patches, width)."""
        states = states + self.mlp_tokens(self.norm1(states).transpose(1, 2)).transpose(1, 2)
        after: Tensor = states + self.mlp_channels(self.norm2(states))
        return after


def mixer(data: Data, seed: int) -> nn.Module:
    """MLP-Mixer of two blocks on patches of 3 x 3 pixels."""
    patches = (data.inputs.shape[-1] // 3) ** 2
    net = nn.Sequential()
    net.add_module("stem", nn.Sequential(nn.Conv2d(1, 32, 3, 3), nn.Flatten(2), nn.Unflatten(1, (32, 1)), nn.Flatten(1, 2)))
    net.add_module("turn", Turned())
    net.add_module("blocks", nn.Sequential(MixerBlock(patches, 32), MixerBlock(patches, 32)))
    net.add_module("pool", nn.Sequential(nn.LayerNorm(32), Averaged()))
    net.add_module("head", nn.Linear(32, data.classes))
    return net


class Turned(nn.Module):
    """Channels last."""

    def forward(self, states: Tensor) -> Tensor:
        """(images, width, patches) to (images, patches, width)."""
        return states.transpose(1, 2)


class Averaged(nn.Module):
    """The mean over places."""

    def forward(self, states: Tensor) -> Tensor:
        """(images, patches, width) to (images, width)."""
        return states.mean(dim=1)


def gpt(data: Data, seed: int) -> nn.Module:
    """A GPT of four blocks."""
    return Gpt(data.classes, data.classes, data.inputs.shape[1], causal=True, blocks=4)


def llama(data: Data, seed: int) -> nn.Module:
    """A Llama of two blocks."""
    return Llama(data.classes, data.inputs.shape[1])


def encoder(data: Data, seed: int) -> nn.Module:
    """Two post-norm blocks over brackets."""
    return Encoder(len(sources_made.BRACKET_LETTERS), data.classes, data.inputs.shape[1])


def vit(data: Data, seed: int) -> nn.Module:
    """A ViT of two blocks."""
    return Vit(data.inputs.shape[-1], data.classes, dropout=0.1)


TRANSFORMER = Plan(optimizer="adamw", lr=2e-3, weight_decay=0.05, warm_up=0.1, schedule="cosine", clip_norm=1.0, steps=500)
LANGUAGE = frozenset({"text", "embedding", "transformer", "language"})
TASKS = (
    Task("sums-gpt", "second", "gpt", "language", sources_made.sums, gpt, replace(TRANSFORMER, steps=320), 0.7, LANGUAGE),
    Task(
        "sorting-llama", "second", "llama", "language", sources_made.sorted_letters, llama,
        replace(TRANSFORMER, lr=3e-3, betas=(0.9, 0.95), weight_decay=0.1, warm_up=0.05), 0.75,
        LANGUAGE,
    ),
    Task(
        "brackets-encoder", "second", "encoder-postnorm", "classification", sources_made.brackets, encoder,
        Plan(lr=1e-3, warm_up=0.1, schedule="linear", steps=500), 0.6,
        frozenset({"classes", "text", "embedding", "transformer", "dropout"}),
    ),
    Task(
        "textures-vit", "second", "vit", "classification", sources_drawn.textures, vit,
        Plan(optimizer="adamw", lr=1e-3, weight_decay=0.05, warm_up=0.1, schedule="cosine", clip_norm=1.0, steps=500), 0.6,
        frozenset({"classes", "images", "transformer", "dropout"}),
    ),
    Task(
        "gratings-mixer", "second", "mixer", "classification", sources_drawn.gratings, mixer,
        Plan(optimizer="adamw", lr=1e-3, weight_decay=0.05, schedule="cosine", steps=500), 0.6,
        frozenset({"classes", "images", "shortcuts", "normalized"}),
    ),
)  # fmt: skip
