"""What names, shapes and order tell of a tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from postmortem.measure.layers import Layer, layers
from postmortem.measure.tensors import pass_over
from postmortem.measure.view import view_of


def classified(lab: Any, tensors: dict[str, Any]) -> dict[str, Layer]:
    """Layers by name of one checkpoint."""
    return {layer.name: layer for layer in layers(pass_over([lab.bare(1, tensors)]).rows[-1])}


def of_model(lab: Any, model: torch.nn.Module) -> dict[str, Layer]:
    """Layers by name of a model."""
    return classified(lab, dict(model.state_dict()))


def test_plain_net_has_hidden_layers_and_a_head(lab: Any) -> None:
    """Linear weights are matrices in depth order, the last one is the head, biases belong to their matrices."""
    found = of_model(lab, lab.mlp(64, 32))
    matrices = [layer for layer in found.values() if layer.is_matrix]
    assert [layer.name for layer in matrices] == ["0.weight", "2.weight", "4.weight"]
    assert [layer.depth for layer in matrices] == [0, 1, 2]
    assert [layer.is_head for layer in matrices] == [False, False, True]
    assert [(layer.fan_in, layer.fan_out) for layer in matrices] == [(20, 64), (64, 32), (32, 10)]
    assert matrices[0].bias == "0.bias"
    assert len({layer.family for layer in matrices}) == 1


def test_batch_normalization_is_scale_statistic_and_counter(lab: Any) -> None:
    """The five tensors of a normalization layer are told apart, and the convolution before it knows that it is normalized."""
    found = of_model(lab, torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Flatten(), torch.nn.Linear(8, 4)))
    assert found["0.weight"].kind == "conv"
    assert found["0.weight"].fan_in == 27
    assert found["0.weight"].normalized
    assert found["1.weight"].kind == "norm-scale"
    assert found["1.bias"].kind == "bias"
    assert found["1.running_mean"].kind == found["1.running_var"].kind == "running-stat"
    assert found["1.num_batches_tracked"].kind == "counter"
    assert not found["1.running_var"].is_parameter
    assert found["3.weight"].is_head


def test_embeddings_are_no_layers_of_depth(lab: Any) -> None:
    """Lookup tables are told by name, or by being a tall first matrix without bias; a Linear in a time embedding is none."""
    named = classified(lab, {"model.embed_tokens.weight": np.ones((50, 8)), "fc.weight": np.ones((4, 8)), "fc.bias": np.ones(4)})
    assert named["model.embed_tokens.weight"].kind == "embedding"
    unnamed = classified(lab, {"0.weight": np.ones((1000, 16)), "1.weight": np.ones((4, 16)), "1.bias": np.ones(4)})
    assert unnamed["0.weight"].kind == "embedding"
    timed = classified(lab, {"time_embed.weight": np.ones((32, 16)), "time_embed.bias": np.ones(32), "out.weight": np.ones((4, 32))})
    assert timed["time_embed.weight"].kind == "linear"
    patches = classified(lab, {"patch_embed.weight": np.ones((32, 3, 4, 4)), "out.weight": np.ones((4, 32))})
    assert patches["patch_embed.weight"].kind == "conv"


def test_a_lookup_table_is_told_by_what_it_feeds(lab: Any) -> None:
    """A first matrix without bias whose columns, and not its rows, are what a recurrence or the next matrix takes is a lookup table."""
    cells = {"rnn.weight_ih_l0": np.ones((192, 32)), "rnn.weight_hh_l0": np.ones((192, 48))}
    head = {"decoder.weight": np.ones((10, 48)), "decoder.bias": np.ones(10)}
    for order in ({**cells, **head}, {**head, **cells}):
        assert classified(lab, {"encoder.weight": np.ones((38, 32)), **order})["encoder.weight"].kind == "embedding"
    chain = classified(lab, {"fc1.weight": np.ones((64, 32)), "fc2.weight": np.ones((10, 64))})
    assert chain["fc1.weight"].kind == "linear"
    square = classified(lab, {"fc1.weight": np.ones((32, 32)), "fc2.weight": np.ones((10, 32))})
    assert square["fc1.weight"].kind == "linear"


def test_masks_copies_and_adapters_are_set_apart(lab: Any) -> None:
    """Masks and averaged copies are no parameters; LoRA's matrices and recurrent ones are no hidden layers."""
    found = classified(
        lab,
        {
            "h.0.attn.bias": np.ones((1, 1, 8, 8)),
            "h.0.attn.c_attn.weight": np.ones((8, 24)),
            "h.0.attn.c_attn.bias": np.ones(24),
            "h.0.lora_B.weight": np.zeros((24, 2)),
            "rnn.weight_hh_l0": np.ones((32, 8)),
            "ema.fc.weight": np.ones((4, 8)),
            "lm_head.weight": np.ones((50, 8)),
        },
    )
    assert not found["h.0.attn.bias"].is_parameter
    assert found["h.0.attn.c_attn.weight"].transposed
    assert (found["h.0.attn.c_attn.weight"].fan_in, found["h.0.attn.c_attn.weight"].fan_out) == (8, 24)
    assert found["h.0.lora_B.weight"].kind == "lora"
    assert found["rnn.weight_hh_l0"].kind == "recurrent"
    assert not found["ema.fc.weight"].is_parameter
    assert found["lm_head.weight"].is_head


def test_each_net_of_several_has_a_head(lab: Any) -> None:
    """Generator and discriminator in one file have a head each."""
    ones = np.ones((8, 8))
    found = classified(lab, {"G.a.weight": ones, "G.b.weight": ones, "D.a.weight": ones, "D.b.weight": ones})
    assert [name for name, layer in found.items() if layer.is_head] == ["G.b.weight", "D.b.weight"]


def test_tied_tensors_count_once(lab: Any) -> None:
    """A head that shares its embedding's values in every checkpoint adds no parameters."""
    table = np.random.default_rng(0).normal(size=(50, 8))
    checkpoint = lab.bare(1, {"embed.weight": table, "fc.weight": np.eye(8), "lm_head.weight": table})
    view = view_of(pass_over([checkpoint]), [checkpoint])
    assert view.tied == {"lm_head.weight"}
    assert sum(layer.elements for layer in view.parameters) == 50 * 8 + 64


def test_tensors_that_are_alike_by_chance_are_not_tied(lab: Any) -> None:
    """Two tables of ones are no tied pair, nor are two that part in a later checkpoint, nor one that only has the other's numbers in it."""
    table, ones = np.random.default_rng(0).normal(size=(6, 4)), np.ones((5, 3))
    start = {"a.weight": table, "b.weight": table, "c.weight": table.reshape(4, 6), "one.weight": ones, "two.weight": ones}
    first, last = (lab.bare(step, start | {"b.weight": second}) for step, second in ((1, table), (2, table + 0.1)))
    assert view_of(pass_over([first]), [first]).tied == {"b.weight"}
    view = view_of(pass_over([first, last]), [first, last])
    assert view.tied == frozenset()
    assert [layer.name for layer in view.parameters] == list(start)


def test_tensors_of_keras_and_flax_are_what_they_are_called(lab: Any) -> None:
    """A kernel has its bias, recurrent cells are no layers of depth, and Flax' `mean` and `var` are statistics, not parameters."""
    found = classified(
        lab,
        {
            "stem.kernel": np.ones((8, 3, 3, 3)),
            "stem.bias": np.ones(8),
            "bn.gamma": np.ones(8),
            "bn.moving_variance": np.ones(8),
            "batch_stats.norm.mean": np.ones(8),
            "batch_stats.norm.var": np.ones(8),
            "lstm.kernel": np.ones((24, 8)),
            "lstm.recurrent_kernel": np.ones((24, 6)),
            "out.kernel": np.ones((4, 6)),
            "out.bias": np.ones(4),
        },
    )
    assert (found["stem.kernel"].kind, found["stem.kernel"].bias, found["stem.kernel"].normalized) == ("conv", "stem.bias", True)
    assert [layer.name for layer in found.values() if layer.is_matrix] == ["stem.kernel", "out.kernel"]
    assert found["out.kernel"].is_head and found["lstm.recurrent_kernel"].kind == "recurrent"
    statistics = {name for name, layer in found.items() if layer.kind == "running-stat"}
    assert statistics == {"bn.moving_variance", "batch_stats.norm.mean", "batch_stats.norm.var"}


def test_tables_that_a_method_computes_are_no_parameters(lab: Any) -> None:
    """A graph's neighbours, a window of a spectrogram, a schedule of diffusion: no training moves them, and none is a missing one."""
    found = classified(
        lab,
        {
            "adj": np.eye(20),
            "front.hann_window": np.ones(64),
            "diffusion.alphas_cumprod": np.linspace(1, 0, 100),
            "lift.weight": np.ones((24, 20)),
            "node_bias": np.ones((20, 24)),
        },
    )
    assert [name for name, layer in found.items() if layer.is_parameter] == ["lift.weight", "node_bias"]
    assert found["lift.weight"].depth == 0


def test_rates_of_a_state_space_are_no_matrices(lab: Any) -> None:
    """What each unit forgets starts alike in all of them by design, and is trained all the same."""
    found = classified(
        lab, {"mixer.A_log": np.ones((64, 16)), "ssm.log_decay": np.ones((64, 16)), "mixer.out_proj.weight": np.ones((32, 64))}
    )
    assert [name for name, layer in found.items() if layer.is_matrix] == ["mixer.out_proj.weight"]
    assert all(layer.is_parameter for layer in found.values())
