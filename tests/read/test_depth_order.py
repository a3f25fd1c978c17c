"""Depth order from names alone: names of real architectures, sorted as text, come back in the order of the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from postmortem.model import FoundFile
from postmortem.read.checkpoints.depth_order import FILE_ORDER, INDEX_ORDER, NATURAL_ORDER, by_depth, in_depth_order, sorted_as_text
from postmortem.read.checkpoints.files import read_checkpoints


def each(pattern: str, counts: Iterable[int], parts: str) -> list[str]:
    """`pattern` with every number and, for each, every part of a text."""
    return [pattern.format(number, part) for number, part in product(counts, parts.split())]


ARCHITECTURES: Mapping[str, list[str]] = {
    "ResNet": [
        "conv1",
        "bn1",
        *each("layer{}.{}", (1, 2), "0.conv1 0.bn1 0.conv2 0.bn2 0.conv3 0.bn3 0.downsample.0 0.downsample.1 1.conv1 1.bn1 1.conv2"),
        "layer10.0.conv1",
        "fc",
    ],
    "DenseNet": [
        "features.conv0",
        "features.norm0",
        *each(
            "features.denseblock{}.{}", (1,), "denselayer1.norm1 denselayer1.conv1 denselayer1.norm2 denselayer1.conv2 denselayer10.conv1"
        ),
        "features.transition1.conv",
        "features.denseblock2.denselayer1.conv1",
        "features.norm5",
        "classifier",
    ],
    "VGG": ["features.0", "features.3", "features.10", "classifier.0", "classifier.3", "classifier.6"],
    "LeNet": ["conv1", "conv2", "fc1", "fc2", "fc3"],
    "EfficientNet": [
        "conv_stem",
        "bn1",
        *each("blocks.{}.0.{}", (1, 2, 10), "conv_pw bn1 conv_dw bn2 se.conv_reduce se.conv_expand conv_pwl bn3"),
        "conv_head",
        "bn2",
        "classifier",
    ],
    "ViT of timm": [
        "patch_embed.proj",
        *each("blocks.{}.{}", (0, 2, 11), "norm1 attn.qkv attn.proj norm2 mlp.fc1 mlp.fc2"),
        "norm",
        "head",
    ],
    "ConvNeXt": [
        "stem.0",
        *each("stages.0.blocks.{}.{}", (0, 1), "conv_dw norm mlp.fc1 mlp.fc2"),
        *each("stages.{}.{}", (1, 2), "downsample.0 downsample.1 blocks.0.conv_dw blocks.0.mlp.fc1"),
        "head.norm",
        "head.fc",
    ],
    "Swin of transformers": [
        "swin.embeddings.patch_embeddings.projection",
        *each("swin.encoder.layers.{}.{}", (0, 1), "blocks.0.attention.self.query blocks.1.attention.self.query downsample.reduction"),
        "swin.encoder.layers.2.blocks.0.attention.self.query",
        "swin.layernorm",
        "classifier",
    ],
    "BERT": [
        "bert.embeddings.word_embeddings",
        "bert.embeddings.position_embeddings",
        *each(
            "bert.encoder.layer.{}.{}",
            (0, 2, 11),
            "attention.self.query attention.self.key attention.self.value attention.output.dense intermediate.dense output.dense",
        ),
        "bert.pooler.dense",
        "classifier",
    ],
    "GPT-2": ["wte", "wpe", *each("h.{}.{}", (0, 2, 11), "ln_1 attn.c_attn attn.c_proj ln_2 mlp.c_fc mlp.c_proj"), "ln_f"],
    "LLaMA": [
        "model.embed_tokens",
        *each(
            "model.layers.{}.{}",
            (0, 2, 31),
            "input_layernorm self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.o_proj post_attention_layernorm mlp.gate_proj "
            "mlp.up_proj mlp.down_proj",
        ),
        "model.norm",
        "lm_head",
    ],
    "T5": [
        "shared",
        *each("encoder.block.{}.layer.{}", (0, 11), "0.SelfAttention.q 0.SelfAttention.o 1.DenseReluDense.wi 1.DenseReluDense.wo"),
        "encoder.final_layer_norm",
        *each("decoder.block.{}.layer.{}", (0, 11), "0.SelfAttention.q 1.EncDecAttention.q 2.DenseReluDense.wi 2.DenseReluDense.wo"),
        "decoder.final_layer_norm",
        "lm_head",
    ],
    "Whisper": [
        "model.encoder.embed_positions",
        "model.encoder.conv1",
        "model.encoder.conv2",
        *each(
            "model.encoder.layers.{}.{}",
            (0, 11),
            "self_attn.k_proj self_attn.v_proj self_attn.q_proj self_attn.out_proj self_attn_layer_norm fc1 fc2 final_layer_norm",
        ),
        "model.encoder.layer_norm",
        "model.decoder.embed_tokens",
        "model.decoder.embed_positions",
        *each("model.decoder.layers.{}.{}", (0, 11), "self_attn.q_proj encoder_attn.q_proj encoder_attn.out_proj fc1 fc2"),
        "proj_out",
    ],
    "a U-Net of diffusers": [
        "conv_in",
        "time_embedding.linear_1",
        "time_embedding.linear_2",
        *each("down_blocks.{}.{}", (0, 1), "resnets.0.conv1 attentions.0.proj_in resnets.1.conv1 attentions.1.proj_in downsamplers.0.conv"),
        *each("mid_block.{1}", (0,), "resnets.0.conv1 attentions.0.proj_in resnets.1.conv1"),
        *each("up_blocks.{}.{}", (0, 1), "resnets.0.conv1 resnets.1.conv1 upsamplers.0.conv"),
        "conv_norm_out",
        "conv_out",
    ],
    "a U-Net by hand": ["inc.conv", "down1.conv", "down2.conv", "bottleneck.conv", "up1.conv", "up2.conv", "outc.conv"],
    "CLIP": [
        "text_model.embeddings.token_embedding",
        "text_model.encoder.layers.0.self_attn.q_proj",
        "text_model.final_layer_norm",
        "vision_model.embeddings.patch_embedding",
        "vision_model.encoder.layers.0.mlp.fc1",
        "vision_model.encoder.layers.10.mlp.fc1",
        "vision_model.post_layernorm",
    ],
    "a language model that sees": [
        "vision_tower.embeddings.patch_embedding",
        "vision_tower.encoder.layers.0.mlp.fc1",
        "multi_modal_projector.linear_1",
        "language_model.embed_tokens",
        "language_model.layers.0.mlp.up_proj",
        "lm_head",
    ],
    "YOLO": ["model.0.conv", "model.2.cv1.conv", "model.2.m.0.cv1.conv", "model.10.conv", "model.22.cv2.0.0.conv"],
    "Mamba": [
        "backbone.embeddings",
        *each("backbone.layers.{}.{}", (0, 2, 10), "norm mixer.in_proj mixer.conv1d mixer.x_proj mixer.dt_proj mixer.out_proj"),
        "backbone.norm_f",
        "lm_head",
    ],
    "a graph net": ["convs.0", "bns.0", "convs.1", "bns.1", "convs.10", "bns.10", "lins.0", "lins.1"],
    "an MLP": ["fc1", "fc2", "fc10", "out"],
    "Sequential": ["0", "2", "10"],
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_names_of_architectures_come_back_in_order(name: str) -> None:
    """Sorted as text, as safetensors keeps them, every module finds its place again, and its weight comes before its bias."""
    expected = [f"{module}.{part}" for module in ARCHITECTURES[name] for part in ("weight", "bias")]
    assert by_depth(sorted(expected)) == expected


@pytest.mark.parametrize(
    "expected",
    [
        ["conv2d", "conv2d_1", "conv2d_2", "conv2d_10", "dense", "dense_1"],
        ["Conv_0", "Conv_1", "Conv_10", "Dense_0", "Dense_1"],
        ["embedding", "encoderblock_0", "encoderblock_2", "encoderblock_10", "encoder_norm", "head"],
    ],
)
def test_names_of_keras_and_flax(expected: list[str]) -> None:
    """Their modules are numbered with an underscore, the first of them not at all, and slashes part a name."""
    kernels = [f"{name}/kernel" for name in expected]
    assert by_depth(sorted(kernels)) == kernels


def test_modules_of_torch_keep_their_registration_order() -> None:
    """What torch's own Transformer registers, with two digits of layers, is found again from its sorted names."""
    with torch.device("meta"):
        model = nn.Transformer(d_model=8, nhead=2, num_encoder_layers=11, num_decoder_layers=11, dim_feedforward=8, batch_first=True)
    matrices = [name for name, tensor in model.state_dict().items() if tensor.ndim == 2]
    assert by_depth(sorted(matrices)) == matrices and len(matrices) == 11 * (4 + 6)


@given(st.lists(st.text(st.sampled_from("ab.1²٣/_"), max_size=12)))
def test_no_name_is_lost_or_doubled(names: list[str]) -> None:
    """Whatever strangers call their tensors, all of them come back once, in an order that does not depend on the file's."""
    assert sorted(by_depth(names)) == sorted(set(names)) and sorted(by_depth(["a" * 9, *reversed(names)])) == sorted({"a" * 9, *names})


def test_names_without_end_cost_no_recursion() -> None:
    """A name of 100,000 parts and a number of 10,000 digits are names like others."""
    odd = [".".join("a" * 100_000), f"layers.{'9' * 10_000}.weight"]
    assert sorted(by_depth(odd)) == sorted(odd)


# --- what else may tell, and how it is said -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Typed:
    """As much of a tensor as the order looks at."""

    dtype: str = "float32"


def test_a_file_that_is_not_sorted_was_written_in_order() -> None:
    """Writers sort by type and text; one that did not kept the order of the network."""
    kept = ["stem.weight", "stem.bias", "alpha.weight", "alpha.bias"]
    found, how = in_depth_order({name: Typed() for name in kept})
    assert list(found) == kept and how == FILE_ORDER


def test_a_sorted_file_in_two_types_is_still_sorted() -> None:
    """Half precision behind single is the writer's doing, not the network's order."""
    tensors = {"layers.10.weight": Typed(), "layers.9.weight": Typed(), "layers.10.bias": Typed("bfloat16")}
    found, how = in_depth_order(tensors)
    assert list(found) == ["layers.9.weight", "layers.10.weight", "layers.10.bias"] and how == NATURAL_ORDER


def test_a_shuffled_file_tells_nothing() -> None:
    """Some writers keep tensors in a hash table: then a module's weight and bias lie apart."""
    tensors = {name: Typed() for name in ("layers.10.weight", "layers.9.weight", "layers.10.bias", "layers.9.bias")}
    found, how = in_depth_order(tensors)
    assert next(iter(found)) == "layers.9.weight" and how == NATURAL_ORDER


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["fc1.bias", "fc1.weight", "head.bias", "head.weight"], True),
        (["layers.1.weight", "layers.10.weight", "layers.2.weight"], True),
        (["params/Dense_0/bias", "params/Dense_0/kernel", "params/Dense_1/bias"], True),
        (["fc1.weight", "fc1.bias", "fc2.weight"], False),
        (["fc1.weight", "fc2.weight", "out.weight"], False),
        (["a.bias", "a.weight"], False),
    ],
)
def test_a_state_dict_that_was_sorted_before_it_was_written(names: list[str], expected: bool) -> None:
    """A bias ahead of its weight, or the tenth layer ahead of the second, in a list sorted as text: no module registers so."""
    assert sorted_as_text(names) == expected


def test_a_torch_file_of_sorted_names_is_put_in_depth_order(tmp_path: Path) -> None:
    """Weights that went through safetensors lost their order there; torch keeps what it is given."""
    path = tmp_path / "step_1.pt"
    names = [f"layers.{index}.{part}" for index in (2, 10) for part in ("weight", "bias")]
    torch.save({name: torch.ones(2) for name in sorted(["head.weight", "head.bias", *names])}, path)
    (checkpoint,) = read_checkpoints([FoundFile(path, path.name, "checkpoint", path.stat().st_size)], tmp_path).checkpoints
    assert list(checkpoint.tensors) == [*names, "head.weight", "head.bias"] and checkpoint.order == NATURAL_ORDER


def test_an_index_that_is_not_sorted_gives_the_order() -> None:
    """The map of shards was written as the state_dict was gone through."""
    listed = ["z.weight", "z.bias", "a.weight", "a.bias"]
    tensors = {name: Typed() for name in sorted(listed)}
    assert in_depth_order(tensors, listed) == ({name: tensors[name] for name in listed}, INDEX_ORDER)
    assert in_depth_order(tensors, sorted(listed))[1] != INDEX_ORDER


def test_modules_that_nothing_but_the_alphabet_orders_are_counted(tmp_path: Path) -> None:
    """The reader is told how much of the order is a guess."""
    path = tmp_path / "step_1.safetensors"
    save_file({f"{name}.weight": torch.ones(1, 2) for name in ("head", "lorem", "ipsum", "stem")}, path)
    (checkpoint,) = read_checkpoints([FoundFile(path, path.name, "checkpoint", path.stat().st_size)], tmp_path).checkpoints
    assert list(checkpoint.tensors) == ["stem.weight", "ipsum.weight", "lorem.weight", "head.weight"]
    assert checkpoint.order.startswith(NATURAL_ORDER) and "2 of 4 modules stand in alphabetical order" in checkpoint.order
