"""Words that say where in a network a module comes: what comes first has the lower rank.

Collected from the modules' names of 90 architectures of torchvision, timm, transformers and diffusers; the figures are ranks among the
children of one module and mean nothing else.
"""

from __future__ import annotations

from typing import TypeAlias

from postmortem.read.words import word_set

Ranks: TypeAlias = tuple[tuple[float, frozenset[str]], ...]

STEM, BODY, RESAMPLED, HEAD = 0.0, 20.0, 39.0, 50.0

COMPONENTS: Ranks = (
    (1.0, word_set(
        "norm_pre pre_layernorm pre_layrnorm ln_pre embeddings_layernorm embed_norm layernorm_embedding "
        "word_embeddings_layernorm"
    )),
    (9.0, word_set("text_model text_encoder")),
    (10.0, word_set("vision_model vision_tower vision_encoder visual image_encoder audio_encoder audio_tower visual_encoder")),
    (15.0, word_set("feature_extractor feature_encoder backbone conv_layers")),
    (16.0, word_set(
        "feature_projection input_projection visual_projection multi_modal_projector connector quant_conv "
        "embedding_hidden_mapping_in"
    )),
    (31.0, word_set("language_model text_decoder llm single_transformer_blocks single_blocks")),
    (32.0, word_set("post_quant_conv")),
    (40.0, word_set(
        "norm norms ln_f final_norm final_layer_norm fc_norm layernorm layer_norm ln_final ln_post post_layernorm norm_f "
        "norm_out conv_norm_out ln_out head_norm encoder_norm decoder_norm"
    )),
    (44.0, word_set(
        "pooler pre_classifier pre_logits conv_head final_conv conv5 last_conv attnpool global_pool text_projection "
        "final_layer"
    )),
    (50.0, word_set(
        "fc proj_out conv_out conv_last to_logits last_layer out_layer output_layer embed_out unembed outc outconv out_conv "
        "output out readout logit logits lm_head final"
    )),
)  # fmt: skip
"""Whole names of the parts of a network."""

WORDS: Ranks = (
    (31.0, word_set("fuse")),
    (45.0, word_set("final")),
    (46.0, word_set("aux auxlogits auxiliary postnet")),
    (50.0, word_set("head heads classifier score predictor prediction predictions cls classification qa logits unembed")),
    (0.0, word_set("embed embeds embedding embeddings embedder wte wpe tok token tokens stem shared prenet inc patch")),
    (10.0, word_set("squeeze reduce")),
    (20.0, word_set("down encoder enc downs inputs contracting")),
    (30.0, word_set("mid middle bottleneck neck fpn rpn bridge aspp")),
    (35.0, word_set("up decoder dec ups upsample upsampling expanding upscale")),
)  # fmt: skip
"""Single words of such names; the first list that knows one decides."""

BLOCK: Ranks = (
    (1.0, word_set(
        "norm1 ln1 ln_1 input_layernorm layernorm_before attention_norm attn_norm ln_before layer_norm1 self_attn_norm "
        "pre_norm operator_norm norm_attn norm1_context pre_attention_layernorm layer_norm_1 img_mod txt_mod"
    )),
    (1.5, word_set("temporal_attention temporal_norm temporal_layernorm")),
    (1.7, word_set("temporal_dense")),
    (2.0, word_set(
        "conv_dw dwconv depthwise_conv conv convs attn attention self_attn self_attention attn1 mha att token_mixer mixer "
        "selfattention self_attention_block wqkv linear_attn token_mixing mlp_tokens time_mixing time_mix temporal_attn "
        "attn_block self"
    )),
    (3.0, word_set("self_attn_layer_norm sa_layer_norm attn_ln self_attention_layer_norm")),
    (4.0, word_set("encoder_attn crossattention cross_attn cross_attention attn2 multihead_attn encdecattention encoder_attention")),
    (4.5, word_set("encoder_attn_layer_norm cross_attn_layer_norm encoder_attention_layer_norm")),
    (5.0, word_set(
        "norm2 ln2 ln_2 post_attention_layernorm layernorm_after ffn_norm mlp_norm pre_feedforward_layernorm layer_norm2 "
        "norm_mlp post_attention_norm ff_norm norm2_context pre_mlp_norm layer_norm_2"
    )),
    (6.0, word_set(
        "mlp ffn ff feed_forward feedforward intermediate block_sparse_moe moe channel_mixing mlp_channels chunk_feed_forward "
        "temporal_dense densereludense feed_forward_proj channel_mix ff_context mlp_block"
    )),
    (8.0, word_set("norm3 ln3 final_layer_norm output_layer_norm post_feedforward_layernorm full_layer_layer_norm ffn_output_norm")),
)  # fmt: skip
"""Parts of a block of attention (or another mixer of tokens) and feed-forward."""

PARTS: Ranks = (
    (0.4, word_set("conv_reduce")),
    (0.5, word_set("proj_in conv_pw conv_expand expand_conv expansion gate router q_a_proj kv_a_proj_with_mqa in_proj in_proj_qkvz fc_in")),
    (1.0, word_set(
        "q query to_q q_proj wq qkv query_key_value qkv_proj c_attn to_qkv q_lin query_proj wqkv wi wi_0 wi_1 c_fc "
        "dense_h_to_4h up_proj gate_proj gate_up_proj w1 w3 intermediate_dense w12 dense_in key_value receptance kv q_b_proj "
        "attn_qkv proj_q"
    )),
    (1.1, word_set("k key to_k k_proj wk k_lin key_proj kv_b_proj to_kv proj_k")),
    (1.2, word_set("v value to_v v_proj wv v_lin value_proj proj_v")),
    (2.0, word_set("conv1d conv_dw depthwise dwconv dw_conv depthwise_conv conv_depthwise")),
    (2.5, word_set("q_norm k_norm norm_q norm_k se squeeze_excite x_proj")),
    (2.7, word_set("dt_proj experts")),
    (3.0, word_set(
        "conv_pwl conv_project project_conv pointwise point_conv conv_pointwise out_proj o_proj wo o to_out c_proj "
        "dense_4h_to_h down_proj w2 output_dense out_lin fc_out proj_mlp dense_out output out_linear conv_expand_out "
        "shared_expert shared_experts proj dense"
    )),
    (3.1, word_set("shared_expert_gate proj_out dense_output out")),
)  # fmt: skip
"""Parts of an attention, a feed-forward, a recurrent mixer or an inverted bottleneck."""

MIXERS = frozenset().union(*(names for rank, names in BLOCK if rank in (2.0, 4.0))) - word_set("conv_dw dwconv depthwise_conv conv convs")
FEED_FORWARDS = next(names for rank, names in BLOCK if rank == 6.0)
FIRST_NORMS = next(names for rank, names in BLOCK if rank == 1.0) - word_set("norm1 ln1 ln_1 layer_norm1 layer_norm_1")
FIRST_PARTS = frozenset().union(*(names for rank, names in PARTS if rank <= 1 or rank == 2))
"""One of these among siblings makes them a block, or the parts of one."""
NORMS = word_set("bn norm ln gn layer_norm layernorm batch_norm batchnorm groupnorm instancenorm ln_ norm_ bn_")
LINEARS = word_set("fc fcs linear linears lin lins dense full_connected mlp mlps fully_connected")
CONVOLUTIONS = word_set("conv convs conv2d conv1d conv_ layer layers block blocks res resblock stage features convolutions cnn bn")
SHORTCUTS = word_set("shortcut skip conv_shortcut skip_connection residual_conv identity se squeeze_excite downsample_layer")
POSITIONS = word_set("position positions positional pos type segment wpe time")
DEPTHWISE = word_set("dwconv conv_dw depthwise depthwise_conv")
