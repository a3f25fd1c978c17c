"""Closed forms and real initializations for the numbers about weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from postmortem.log_next import ADVICE
from postmortem.measure import batchnorm, continuity, gradients, initial, optimizer, precision, saturation, units, updates, weights
from postmortem.measure.initial import looks_fresh
from postmortem.measure.layers import layers
from postmortem.measure.tensors import pass_over
from postmortem.measure.weights import duplicate_share
from postmortem.model import Checkpoint, Measurement, Missing

ALL_NAMES = {
    name
    for module in (weights, initial, updates, optimizer, gradients, units, saturation, batchnorm, precision, continuity)
    for name in module.NAMES
}
INITS: dict[str, Callable[[torch.Tensor], object]] = {
    "he normal": torch.nn.init.kaiming_normal_,
    "he uniform": lambda weight: torch.nn.init.kaiming_uniform_(weight, nonlinearity="relu"),
    "he by fan_out": lambda weight: torch.nn.init.kaiming_normal_(weight, mode="fan_out"),
    "glorot uniform": torch.nn.init.xavier_uniform_,
    "glorot normal": torch.nn.init.xavier_normal_,
    "orthogonal": torch.nn.init.orthogonal_,
    "lecun": lambda weight: torch.nn.init.normal_(weight, 0, weight.shape[1] ** -0.5),
    "torch's default": lambda weight: weight,
}


def number(found: dict[str, Measurement | Missing], name: str) -> Measurement:
    """The measurement, which must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one


def gap(found: dict[str, Measurement | Missing], name: str) -> str:
    """The reason why it could not be measured, which must be there."""
    one = found[name]
    assert isinstance(one, Missing), one
    return one.reason


def test_every_name_is_told_of_whatever_is_there(lab: Any) -> None:
    """No checkpoint, an empty one, one, a NaN one, and two: each name comes exactly once, measured or with a reason."""
    model = lab.mlp(16)
    spoiled = lab.mlp(16)
    torch.nn.init.constant_(spoiled[0].weight, math.nan)
    adam = torch.optim.Adam(model.parameters())
    series: tuple[list[Checkpoint], ...] = (
        [],
        [lab.bare(3, {})],
        [lab.bare(None, {"scale": np.float32(2)})],
        [lab.snapshot(model, None, 0)],
        [lab.snapshot(spoiled, None, 5)],
        [lab.snapshot(model, adam, 0), lab.snapshot(spoiled, adam, 5)],
        [lab.snapshot(model, adam, 0), lab.snapshot(lab.mlp(16, seed=1), adam, 9)],
    )
    for checkpoints in series:
        found = lab.everything(checkpoints)
        assert set(found) == ALL_NAMES
        for one in found.values():
            assert (one.reason and one.log_next in {"", *ADVICE}) if isinstance(one, Missing) else one.basis


def test_gain_is_std_times_root_of_fan_in(lab: Any) -> None:
    """Weights drawn with standard deviation s have a gain of s times the root of fan_in, and the product over depth adds up decades."""
    draw = np.random.default_rng(0)
    tensors = {f"{index}.weight": draw.normal(0, 0.01, (400, 400)) for index in range(5)} | {"5.weight": draw.normal(0, 1, (10, 400))}
    found = lab.everything([lab.bare(0, tensors)])
    assert number(found, "weights.initial_gain").value == pytest.approx(0.2, rel=0.01)
    assert number(found, "weights.initial_depth_gain").value == pytest.approx(5 * math.log10(0.2), rel=0.01)
    assert number(found, "weights.initial_head_gain").value == pytest.approx(20, rel=0.05)


@pytest.mark.parametrize("name", INITS)
@pytest.mark.parametrize("widths", [(128,), (64, 64, 64, 64), (512, 32), (32, 256)])
def test_known_initializations_are_known(lab: Any, name: str, widths: tuple[int, ...]) -> None:
    """Each usual initialization lies within the lines of the checks, and looks freshly drawn."""
    model = lab.mlp(*widths)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            INITS[name](parameter)
    found = lab.everything([lab.snapshot(model, None, 0)])
    assert number(found, "weights.initial_gain_min").value > 0.3
    assert number(found, "weights.initial_gain_max").value < 2
    assert -2.5 < number(found, "weights.initial_depth_gain").value < 1
    assert number(found, "weights.fresh").value == 1
    # Glorot's and He's fan_out put widths into the variance: that is no skew.
    assert number(found, "weights.variance_by_depth_first").value < 3 if len(widths) > 1 else True


def test_a_little_training_takes_the_freshness(lab: Any) -> None:
    """After a short pre-training the moments are still those of the initialization, and yet the weights are not taken for drawn."""
    model = lab.mlp(64, 64)
    lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=150)
    assert number(lab.everything([lab.snapshot(model, None, 0)]), "weights.fresh").value == 0


def test_initialization_is_not_read_off_later_checkpoints(lab: Any) -> None:
    """A first checkpoint from step 500 says nothing of the initialization; one whose weights have hardly moved does."""
    model = lab.mlp(16)
    assert "step 500" in gap(lab.everything([lab.snapshot(model, None, 500)]), "weights.initial_gain")
    slow = torch.optim.Adam(model.parameters(), 1e-6)
    early = lab.train(model, slow, steps=20, every=20)[1:]
    assert number(lab.everything(early), "weights.initial_gain").value == pytest.approx(0.577, rel=0.1)


def test_constant_layers_are_left_to_the_symmetry_check(lab: Any) -> None:
    """A zero initialization has no gain to speak of, and all its units are equal."""
    model = lab.mlp(32, 32)
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    found = lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=60, every=30))
    assert "constant" in gap(found, "weights.initial_gain")
    assert number(found, "weights.duplicate_units").value == pytest.approx(31 / 32)


def test_symmetric_units_stay_equal_in_training_and_random_ones_do_not_become_so(lab: Any) -> None:
    """After a real training from constant weights nearly all units repeat another; its healthy twin has none."""
    sick, healthy = lab.mlp(32, 32), lab.mlp(32, 32)
    for parameter in sick.parameters():
        torch.nn.init.constant_(parameter, 0.1)
    shares = []
    for model in (sick, healthy):
        found = lab.everything(lab.train(model, torch.optim.Adam(model.parameters(), 1e-3)))
        shares.append(number(found, "weights.duplicate_units").value)
    assert shares[0] > 0.9
    assert shares[1] == 0


def test_pruned_units_are_not_twins(lab: Any) -> None:
    """Units that are all zero count as equal only where the whole layer is zero."""
    draw = np.random.default_rng(0).normal(size=(8, 16))
    draw[:5] = 0
    pruned = pass_over([lab.bare(5, {"0.weight": draw})]).rows[0].tensors["0.weight"].units
    empty = pass_over([lab.bare(5, {"0.weight": draw * 0})]).rows[0].tensors["0.weight"].units
    assert pruned is not None
    assert empty is not None
    assert duplicate_share(pruned, 16) == 0
    assert duplicate_share(empty, 16) == pytest.approx(7 / 8)


def test_nonfinite_elements_are_dated_and_the_last_sound_file_is_named(lab: Any) -> None:
    """NaN in a weight counts, minus infinity in a mask does not, and what follows is judged at the last finite checkpoint."""
    mask = np.full((1, 1, 4, 4), -np.inf)
    sound = {"a.weight": np.ones((4, 4)), "attn.bias": mask, "head.weight": np.ones((2, 4))}
    broken = sound | {"a.weight": np.full((4, 4), np.nan)}
    found = lab.everything([lab.bare(0, sound), lab.bare(10, sound), lab.bare(20, broken)])
    bad = number(found, "weights.nonfinite")
    assert (bad.value, bad.first_step, list(bad.items)) == (16, 20, ["a.weight"])
    assert "step_10.pt" in bad.basis
    assert number(found, "weights.zero_share").first_step == 10


def test_growth_and_shrinkage_are_ratios_of_norms(lab: Any) -> None:
    """One layer grows sevenfold and one shrinks to a tenth; the head does not count."""
    draw = np.random.default_rng(0)
    first = {name: draw.normal(size=(16, 16)) for name in ("0.weight", "1.weight", "2.weight")}
    last = {"0.weight": first["0.weight"] * 7, "1.weight": first["1.weight"] / 10, "2.weight": first["2.weight"] * 100}
    found = lab.everything([lab.bare(0, first), lab.bare(100, last)])
    assert number(found, "weights.growth").value == pytest.approx(7)
    assert number(found, "weights.shrinkage").value == pytest.approx(0.1)
    assert number(found, "weights.variance_by_depth").value == pytest.approx(4900, rel=0.3)
    assert number(found, "weights.variance_by_depth_first").value < 1.5


def test_sizes_and_decay_penalty(lab: Any) -> None:
    """Parameters, layers, rows of the head and the decay's share of the loss are sums that can be done by hand."""
    model = lab.mlp(16)
    found = lab.everything([lab.snapshot(model, torch.optim.SGD(model.parameters(), 0.1, weight_decay=0.02), 3)])
    assert number(found, "weights.parameters").value == 20 * 16 + 16 + 16 * 10 + 10
    assert number(found, "weights.depth").value == 2
    assert number(found, "weights.head_rows").value == 10
    squares = sum(float((parameter.detach() ** 2).sum()) for parameter in model.parameters())
    assert number(found, "weights.decay_penalty").value == pytest.approx(0.01 * squares, rel=1e-5)


def test_trained_weights_are_not_fresh_though_their_spread_is(lab: Any) -> None:
    """Heavy tails beside a known deviation are not a draw."""
    draw = np.random.default_rng(0).standard_t(4, size=(256, 256))
    stats_row = pass_over([lab.bare(0, {"0.weight": draw / draw.std() / 16, "1.weight": np.ones((10, 256))})]).rows[0]
    layer = layers(stats_row)[0]
    assert not looks_fresh(stats_row.tensors["0.weight"], layer)


def test_a_recurrence_that_shrinks_to_nothing_is_seen(lab: Any) -> None:
    """Matrices of a recurrence count where weights shrink, and not where they grow."""
    draw = np.random.default_rng(0)
    first = {name: draw.normal(size=(16, 16)) for name in ("rnn.weight_ih_l0", "rnn.weight_hh_l0", "mid.weight", "head.weight")}
    scales = {"rnn.weight_ih_l0": 100.0, "rnn.weight_hh_l0": 0.001, "mid.weight": 2.0, "head.weight": 1.0}
    found = lab.everything([lab.bare(0, first), lab.bare(100, {name: first[name] * scales[name] for name in first})])
    assert number(found, "weights.shrinkage").value == pytest.approx(0.001)
    assert number(found, "weights.growth").value == pytest.approx(2.0)


def test_matrices_in_front_of_a_learned_normalization_were_loaded_with_it(lab: Any) -> None:
    """Behind a normalization weights learn without changing their moments; its own scale tells. Ones are what a new layer has."""
    draw = np.random.default_rng(0)
    weights = {f"{at}.conv.weight": draw.normal(scale=1 / 12, size=(16, 16, 3, 3)) for at in range(3)}
    for varied, fresh in ((0.05, 0.0), (0.0, 1.0)):
        state: dict[str, np.ndarray] = {}
        for at, (name, weight) in enumerate(weights.items()):
            state |= {name: weight, f"{at}.bn.weight": 1 + varied * draw.normal(size=16), f"{at}.bn.bias": np.zeros(16)}
        state["head.weight"] = draw.normal(size=(4, 16))
        assert number(lab.everything([lab.bare(0, state)]), "weights.fresh").value == fresh


def test_a_block_with_a_learned_normalization_was_loaded_as_a_whole(lab: Any) -> None:
    """Scales of a numbered block that vary speak for all its matrices; a block whose scale is all ones stays as it was drawn."""
    draw = np.random.default_rng(0)
    state: dict[str, np.ndarray] = {}
    for at in range(2):
        state |= {f"layers.{at}.norm.weight": np.ones(40) if at else 1 + 0.05 * draw.normal(size=40)}
        state |= {f"layers.{at}.{part}.weight": draw.normal(scale=40**-0.5, size=(40, 40)) for part in ("wq", "wo")}
    state["output.weight"] = draw.normal(size=(5, 40))
    found = number(lab.everything([lab.bare(0, state)]), "weights.fresh")
    assert dict(found.items) == {"layers.0.wq.weight": 0, "layers.0.wo.weight": 0, "layers.1.wq.weight": 1, "layers.1.wo.weight": 1}


def test_weights_that_were_never_finite_do_not_stand_still(lab: Any) -> None:
    """NaN keeps every bit whatever is added to it: whether anything was updated is not known."""
    draw = np.random.default_rng(0)
    broken = {name: np.full((16, 16), np.nan) for name in ("0.weight", "1.weight")}
    found = lab.everything([lab.bare(0, broken), lab.bare(100, broken)])
    assert isinstance(found["updates.moved"], Missing)
    half = broken | {"0.weight": draw.normal(size=(16, 16))}
    assert number(lab.everything([lab.bare(0, half), lab.bare(100, half)]), "updates.moved").value == 0


def test_tables_that_begin_alike_in_all_rows_are_no_copied_units(lab: Any) -> None:
    """Frequencies of a state space beside weights of their own; a matrix of equal rows that is called weight is one of copies."""
    rows = np.tile(np.arange(1.0, 17.0), (32, 1))
    drawn = np.random.default_rng(0).normal(size=(32, 16))
    tensors = {
        "ssm.frequency": rows,
        "mix.weight": drawn,
        "mix.bias": np.zeros(32),
        "head.weight": np.ones((4, 32)),
        "head.bias": np.zeros(4),
    }
    duplicates = lab.everything([lab.bare(100, tensors)])["weights.duplicate_units"]
    assert isinstance(duplicates, Measurement) and set(duplicates.items) == {"mix.weight"} and duplicates.value == 0
    copied = lab.everything([lab.bare(100, {**tensors, "mix.weight": rows})])["weights.duplicate_units"]
    assert isinstance(copied, Measurement) and copied.value > 0.9
