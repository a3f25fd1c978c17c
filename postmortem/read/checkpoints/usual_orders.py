"""Orders in which published implementations make the parts of a module: what a file that sorts names by the alphabet has lost.

Facts read off the constructors of transformers, timm, torchvision, diffusers and torch. A row speaks of a module whose parts bear all of
its names; those with a question mark may be missing. Where two libraries use the same names in different orders there is no row.
"""

from __future__ import annotations

from collections.abc import Sequence

_ROWS = (
    # attention
    "q_proj k_proj v_proj o_proj q_norm? k_norm?",  # Llama and its kin
    "k_proj v_proj q_proj out_proj",  # BART, OPT, CLIP, Whisper
    "query key value",  # BERT, ViT
    "q_lin k_lin v_lin out_lin",  # DistilBERT
    "q_proj k_proj v_proj dense",  # Phi
    "query key value dense LayerNorm",  # ALBERT
    "query_proj key_proj value_proj",  # DeBERTa
    "query_key_value dense",  # GPT-NeoX, BLOOM
    "q k v o relative_attention_bias?",  # T5
    "to_q to_k to_v to_out",  # diffusers
    "c_attn c_proj",
    "c_fc c_proj",
    "qkv q_norm? k_norm? proj",
    "self output",  # BERT
    "attention output",  # ViT
    # feed-forward
    "gate_proj up_proj down_proj",
    "wi_0 wi_1 wo",
    "wi wo",
    "dense LayerNorm",
    "dense layer_norm decoder?",
    "dense_h_to_4h dense_4h_to_h",
    "intermediate_dense output_dense",
    # layers
    "attention intermediate output",  # BERT
    "attention intermediate output layernorm_before layernorm_after",  # ViT
    "attention sa_layer_norm ffn output_layer_norm",  # DistilBERT
    "self_attn mlp input_layernorm post_attention_layernorm pre_feedforward_layernorm? post_feedforward_layernorm?",
    "self_attn mlp input_layernorm",  # Phi
    "input_layernorm post_attention_layernorm attention mlp",  # GPT-NeoX
    "input_layernorm self_attention post_attention_layernorm mlp",  # BLOOM
    "full_layer_layer_norm attention ffn ffn_output",  # ALBERT
    "attention layer_norm feed_forward final_layer_norm",  # wav2vec 2
    "self_attn layer_norm1 mlp layer_norm2",  # CLIP
    "self_attn self_attn_layer_norm fc1 fc2 final_layer_norm",  # BART's encoder, OPT, Whisper
    "self_attn self_attn_layer_norm encoder_attn encoder_attn_layer_norm fc1 fc2 final_layer_norm",  # BART's decoder
    "self_attn linear1 linear2 norm1 norm2",  # torch's encoder layer
    "self_attn multihead_attn linear1 linear2 norm1 norm2 norm3",  # torch's decoder layer
    "SelfAttention layer_norm",
    "EncDecAttention layer_norm",
    "DenseReluDense layer_norm",
    "ln_1 attn ln_2 mlp",  # GPT-2
    "norm1 attn ls1? norm2 mlp ls2?",  # timm
    "ln_1 self_attention ln_2 mlp",  # torchvision's ViT
    "conv1 bn1 conv2 bn2 conv3? bn3? downsample?",  # torchvision's ResNet
    # whole nets
    "word_embeddings position_embeddings token_type_embeddings? LayerNorm",
    "embeddings encoder pooler?",
    "embeddings encoder final_layer_norm",
    "embeddings pre_layrnorm encoder post_layernorm",  # CLIP, with the slip in its name
    "text_model vision_model visual_projection text_projection",
    "pos_conv_embed layer_norm layers",
    "feature_extractor feature_projection encoder",
    "embed_tokens layers final_layernorm",
    "embed_in layers final_layer_norm",
    "word_embeddings word_embeddings_layernorm h ln_f",
    "embed_tokens layers norm",
    "embed_tokens embed_positions final_layer_norm layers",
    "wte wpe? h ln_f",
    "patch_embed blocks norm head?",
    "conv1 bn1 layer1 layer2 layer3 layer4 fc?",
    "model lm_head",
    "transformer lm_head",
    "gpt_neox lm_head",
)


def _parsed(row: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """All names in their order, and those that must be there."""
    words = row.split()
    return tuple(word.removesuffix("?") for word in words), frozenset(word for word in words if not word.endswith("?"))


_ORDERS = tuple(_parsed(row) for row in _ROWS)


def usual_order(keys: Sequence[str]) -> tuple[str, ...]:
    """The usual order of a module's parts, of which `keys` are the names; empty where none is known. The row that says most counts."""
    there = set(keys)
    fitting = [names for names, needed in _ORDERS if needed <= there]
    return max(fitting, key=lambda names: sum(name in there for name in names), default=())
