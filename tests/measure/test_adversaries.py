"""Measures of adversarial pairs, on curves that were drawn and on checkpoints whose rates are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from postmortem.measure.adversaries import measure_adversaries
from postmortem.measure.roles import assign
from postmortem.measure.table import TensorTable
from postmortem.measure.tensors import pass_over
from postmortem.model import Measurement, Missing, ReadOptions, Series

POINTS = 100
STEPS = np.arange(POINTS, dtype=np.int64) * 10
ONES = np.ones(POINTS)
EMPTY = TensorTable((), "")


def measured(curves: dict[str, NDArray[np.float64]], family: str = "gan") -> dict[str, Measurement | Missing]:
    """All measures of a pair with these curves."""
    series = [Series(tag, "", STEPS, values, np.full(POINTS, np.nan), "events") for tag, values in curves.items()]
    return {one.name: one for one in measure_adversaries(assign(series, ReadOptions()), EMPTY, (), family)}


def number(found: Measurement | Missing) -> Measurement:
    """A measurement, which must be there."""
    assert isinstance(found, Measurement), found
    return found


SCORES = [
    ("D(x)", "D(G(z))"),
    ("D_x", "D_G_z1"),
    ("D_real", "D_fake"),
    ("Discriminator/real_score", "Discriminator/fake_score"),
    ("Loss/scores/real", "Loss/scores/fake"),
    ("real_score", "fake_score"),
]


@pytest.mark.parametrize(("real", "fake"), SCORES)
def test_certainty_is_the_difference_of_the_scores(real: str, fake: str) -> None:
    """A discriminator that gives 0.9 and 0.2 is right with certainty 0.7, under all the names that projects use."""
    found = number(measured({"loss_d": ONES, "loss_g": ONES, real: 0.9 * ONES, fake: 0.2 * ONES})["pair.certainty"])
    assert found.text == "scores"
    assert math.isclose(found.value, 0.7)


LOSSES = [
    ("loss_d", "loss_g"),
    ("Loss_D", "Loss_G"),
    ("errD", "errG"),
    ("d_loss", "g_loss"),
    ("Loss/Discriminator", "Loss/Generator"),
    ("Discriminator/loss", "Generator/loss"),
    ("Loss/D/loss", "Loss/G/loss"),
    ("loss_dis", "loss_gen"),
]


@pytest.mark.parametrize("tags", LOSSES)
def test_certainty_by_the_loss_over_that_of_a_coin(tags: tuple[str, str]) -> None:
    """A cross-entropy of 2 ln 2 is no certainty, a tenth of it is 0.9."""
    judge, maker = tags
    for factor in (1.0, 0.1):
        found = number(measured({judge: factor * 2 * math.log(2) * ONES, maker: ONES})["pair.certainty"])
        assert found.text == "cross-entropy"
        assert math.isclose(found.value, 1 - factor, abs_tol=1e-9)


def test_kind_of_loss_by_its_signs() -> None:
    """A critic's loss is negative, a hinge generator's of either sign, a saturating one's never positive beside probabilities."""
    swing = np.sin(np.arange(POINTS) / 5)
    assert number(measured({"loss_d": -5 * ONES, "loss_g": ONES})["pair.judge_loss"]).text == "wasserstein"
    assert number(measured({"loss_d": ONES, "loss_g": swing})["pair.judge_loss"]).text == "hinge"
    assert number(measured({"loss_d": ONES, "loss_g": -0.3 * ONES})["pair.judge_loss"]).text == "saturating"
    bare = {"D(x)": 3 * ONES, "D(G(z))": -3 * ONES}
    assert number(measured({"loss_d": ONES, "loss_g": ONES, **bare})["pair.certainty"]).text == "hinge"


def test_certainty_takes_the_less_of_half_and_end() -> None:
    """A lead at the very end, or one that was lost, does not count."""
    late = np.where(STEPS < 900, 0.5, 0.99)
    lost = np.where(STEPS < 900, 0.99, 0.5)
    for curve in (late, lost):
        found = number(measured({"loss_d": ONES, "D(x)": curve, "D(G(z))": 1 - curve})["pair.certainty"])
        assert found.value <= 1e-9


def test_sure_and_wrong_shows_in_the_loss_alone() -> None:
    """A loss of many times a coin's is counted, though mean probabilities look like a lead."""
    found = number(measured({"loss_d": 13.86 * ONES, "loss_g": ONES, "D(x)": 0.9 * ONES, "D(G(z))": 0.1 * ONES})["pair.certainty"])
    assert found.value < -5


def test_loss_beside_distances_between_images_is_not_the_game_alone() -> None:
    """A generator's loss that holds an L1 distance is left out unless its adversarial part was logged."""
    whole = {"d_loss": ONES, "g_loss": 40 * ONES, "g_l1_loss": 0.4 * ONES}
    assert isinstance(measured(whole)["pair.maker_loss"], Missing)
    assert number(measured({**whole, "g_gan_loss": 0.7 * ONES})["pair.maker_loss"]).value == 0.7


def test_distance_grows_over_its_first_fifth() -> None:
    """A critic's loss of -2 that ends at -30 grew 15-fold."""
    curve = np.where(STEPS < 500, -2.0, -30.0)
    assert math.isclose(number(measured({"loss_d": curve, "loss_g": ONES})["pair.distance_growth"]).value, 15)


def test_worst_of_the_sample_measures_counts() -> None:
    """FID that triples from its best is worse than coverage that loses a fifth."""
    fid = np.where(STEPS < 500, 20.0, 60.0)
    coverage = np.where(STEPS < 500, 1.0, 0.8)
    found = number(measured({"loss_d": ONES, "loss_g": ONES, "metrics/fid": fid, "mode_coverage": coverage})["pair.sample_decline"])
    assert math.isclose(found.value, 3.0)
    assert "fid" in found.basis


def test_other_families_have_no_pair() -> None:
    """Of a run that is no adversarial pair nothing is measured."""
    assert all(isinstance(one, Missing) for one in measured({"loss_d": ONES, "loss_g": ONES}, "classification").values())


@pytest.mark.parametrize(("judge", "maker"), [("netD", "netG"), ("discriminator", "generator"), ("net_d", "net_g")])
def test_rates_of_both_sides(lab: Any, judge: str, maker: str) -> None:
    """Two Adam groups with rates of 0.01 and 0.0005 are 20 apart, and so are their first updates of equal nets."""
    torch.manual_seed(0)
    model = torch.nn.ModuleDict({name: torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)) for name in (judge, maker)})
    model[judge].load_state_dict(model[maker].state_dict())
    rates = {judge: 1e-2, maker: 5e-4}
    optimizer = torch.optim.Adam([{"params": list(model[name].parameters()), "lr": rate} for name, rate in rates.items()])
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    for _ in range(3):
        optimizer.step()
    saved = [lab.snapshot(model, optimizer, 3)]
    found = {one.name: one for one in measure_adversaries((), pass_over(saved), saved, "gan")}
    assert math.isclose(number(found["pair.rate_ratio"]).value, 20, rel_tol=1e-6)
    assert math.isclose(number(found["pair.update_ratio"]).value, 20, rel_tol=0.1)


def test_coherence_falls_where_a_side_gets_no_gradient(lab: Any) -> None:
    """A discriminator without a gradient for 40 steps has a first moment of 0.9^40 of what it was, a generator with one keeps 1."""
    torch.manual_seed(0)
    model = torch.nn.ModuleDict({name: torch.nn.Linear(8, 8) for name in ("netD", "netG")})
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for step in range(80):
        for name, net in model.items():
            for parameter in net.parameters():
                parameter.grad = torch.full_like(parameter, 0.0 if name == "netD" and step >= 40 else 1.0)
        optimizer.step()
    saved = [lab.snapshot(model, optimizer, 80)]
    found = number({one.name: one for one in measure_adversaries((), pass_over(saved), saved, "gan")}["pair.coherence"])
    assert math.isclose(found.items["generator"], 1.0, rel_tol=1e-3)
    left = 0.9**40 * (1 - 0.9**40) / (1 - 0.9**80) / math.sqrt((0.999**40 - 0.999**80) / (1 - 0.999**80))
    assert math.isclose(found.items["discriminator"], left, rel_tol=0.02)
    assert found.value == found.items["discriminator"]


def test_travel_of_both_sides_is_compared_where_they_are_least_apart(lab: Any) -> None:
    """A generator that moves at a tenth of the discriminator's pace, and in one interval at a half of it, gives 2."""
    torch.manual_seed(0)
    weight, away = torch.randn(8, 8), torch.randn(8, 8)
    ways = ((0.0, 0.0), (0.2, 0.02), (0.4, 0.12))
    saved = [
        lab.bare(100 * at, {"netD.fc.weight": weight + judge * away, "netG.fc.weight": weight + maker * away})
        for at, (judge, maker) in enumerate(ways)
    ]
    found = {one.name: one for one in measure_adversaries((), pass_over(saved), saved, "gan")}
    assert math.isclose(number(found["pair.travel_ratio"]).value, 2.0, rel_tol=0.1)


@pytest.mark.parametrize(("family", "applies"), [("classification", False), ("unknown", True)])
def test_a_run_of_another_family_has_no_pair_to_be_logged(family: str, applies: bool) -> None:
    """Where the family is unknown the run may be a pair, and its losses are asked for."""
    found = measured({"loss": ONES}, family)
    assert all(isinstance(one, Missing) and one.applies is applies for one in found.values())


def steepness(lab: Any, tensors: dict[str, Any]) -> Measurement | Missing:
    """What is measured of the judging net in one checkpoint."""
    checkpoints = [lab.bare(500, tensors)]
    found = measure_adversaries((), pass_over(checkpoints), checkpoints, "gan")
    return {one.name: one for one in found}["pair.judge_steepness"]


def test_steepness_is_the_geometric_mean_of_the_largest_singular_values(lab: Any) -> None:
    """Diagonal matrices of 2 and 8 stretch 4-fold on average, whatever the generator's do; a normalization sets the slope itself."""
    narrow, wide = np.eye(8), np.eye(8)
    narrow[0, 0], wide[3, 3] = 2.0, 8.0
    tensors = {"generator.0.weight": 50 * np.eye(8), "critic.0.weight": narrow, "critic.2.weight": wide, "critic.2.bias": np.zeros(8)}
    found = number(steepness(lab, tensors))
    assert math.isclose(found.value, 4.0, rel_tol=1e-3)
    assert found.items == {"critic.0.weight": pytest.approx(2.0, rel=1e-3), "critic.2.weight": pytest.approx(8.0, rel=1e-3)}
    scales = {"critic.1.weight": np.ones(8), "critic.1.bias": np.zeros(8), "critic.1.running_mean": np.zeros(8)}
    normalized = steepness(lab, {**tensors, **scales, "critic.1.running_var": np.ones(8)})
    assert isinstance(normalized, Missing) and not normalized.applies


def test_without_a_judging_net_nothing_is_steep(lab: Any) -> None:
    """A generator alone, and a judging net of one layer."""
    assert isinstance(steepness(lab, {"generator.0.weight": np.eye(8), "generator.2.weight": np.eye(8)}), Missing)
    assert isinstance(steepness(lab, {"generator.0.weight": np.eye(8), "critic.0.weight": np.eye(8)}), Missing)


def test_weights_that_are_scaled_where_they_are_used_are_not_steep(lab: Any) -> None:
    """A spectral norm's stored weight, and the unit deviations of an equalized learning rate, say nothing of the slope."""
    drawn = np.random.default_rng(0).normal(size=(64, 64))
    plain = {"critic.0.weight": drawn / 8, "critic.2.weight": drawn / 8}
    assert number(steepness(lab, plain)).value == pytest.approx(2, abs=0.2)
    spectral = {f"critic.{layer}.parametrizations.weight.{part}": drawn for layer in (0, 2) for part in ("original", "0._u")}
    for scaled in (spectral, {"critic.0.weight_orig": drawn, "critic.0.weight_u": drawn[0], "critic.2.weight": drawn}):
        assert isinstance(steepness(lab, scaled), Missing)
    assert isinstance(steepness(lab, {"critic.0.weight": drawn, "critic.2.weight": drawn}), Missing)
