"""Updates rebuilt, bounded and missing, against trainings that were really stepped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from postmortem.model import Measurement, Missing, Optimizer, Plain


def number(found: dict[str, Measurement | Missing], name: str) -> Measurement:
    """The measurement, which must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one


def trained(lab: Any, optimizer: type[torch.optim.Optimizer], steps: int = 150, **settings: Any) -> dict[str, Measurement | Missing]:
    """All measurements of a net of two hidden layers after a training."""
    model = lab.mlp(32, 32)
    found: dict[str, Measurement | Missing] = lab.everything(lab.train(model, optimizer(model.parameters(), **settings), steps=steps))
    return found


def test_ratio_is_that_of_the_step_that_was_taken(lab: Any) -> None:
    """Rebuilt from Adam's state, the ratio equals the distance between the weights before and after the last step."""
    model = lab.mlp(32, 32)
    before: dict[str, torch.Tensor] = {}

    def keep(step: int) -> None:
        if step == 50:
            before.update({name: value.clone() for name, value in model.state_dict().items()})

    saved = lab.train(model, torch.optim.Adam(model.parameters(), 1e-3), steps=50, before_step=keep)
    ratio = number(lab.everything(saved), "updates.ratio")
    assert set(ratio.items) == {"0.weight", "2.weight", "4.weight"}
    for name, value in ratio.items.items():
        after = model.state_dict()[name]
        assert value == pytest.approx(float((after - before[name]).norm() / after.norm()), rel=1e-3)


def test_ratio_is_judged_where_the_rate_was_highest(lab: Any) -> None:
    """A cosine schedule that ends at zero has no updates at its end; the ratio comes from before."""
    model = lab.mlp(32, 32)
    adam = torch.optim.Adam(model.parameters(), 1e-3)

    def cosine(step: int) -> None:
        adam.param_groups[0]["lr"] = 1e-3 * 0.5 * (1 + np.cos(np.pi * step / 150))

    found = lab.everything(lab.train(model, adam, before_step=cosine))
    assert number(found, "updates.ratio").first_step == 50
    assert number(found, "updates.ratio").value > 1e-4


def test_one_checkpoint_from_the_end_of_a_schedule_is_not_judged(lab: Any) -> None:
    """Where the rate stands at a hundredth of what the scheduler began with, small updates are the schedule's; at a half they count."""
    model = lab.mlp(32, 32)
    adam = torch.optim.Adam(model.parameters(), 1e-3)
    scheduler = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 0.5)
    last = lab.train(model, adam)[-1:]
    assert isinstance(lab.everything(last)["updates.ratio"], Measurement)
    adam.param_groups[0]["lr"] = 1e-2 * scheduler.base_lrs[0]
    ended = lab.everything(lab.train(model, adam, steps=20, every=20)[-1:])["updates.ratio"]
    assert isinstance(ended, Missing) and "end of its schedule" in ended.reason


def test_fresh_optimizer_is_not_judged(lab: Any) -> None:
    """The state before the second update says nothing of updates."""
    model = lab.mlp(32, 32)
    adam = torch.optim.Adam(model.parameters(), 1e-3)
    saved = lab.train(model, adam, steps=1, every=1)
    assert isinstance(lab.everything(saved)["updates.ratio"], Missing)


def test_plain_sgd_is_bounded_by_distances(lab: Any) -> None:
    """Without state the truth lies between the two bounds; with state both bounds are the truth."""
    plain = trained(lab, torch.optim.SGD, lr=0.05)
    exact = trained(lab, torch.optim.SGD, lr=0.05, momentum=1e-12)
    assert isinstance(plain["updates.ratio"], Missing)
    truth = number(exact, "updates.ratio").value
    assert number(plain, "updates.ratio_lower").value < truth < number(plain, "updates.ratio_upper").value
    assert number(exact, "updates.ratio_lower").value == number(exact, "updates.ratio_upper").value == truth


def test_tiny_rate_creeps_straight_and_healthy_one_does_not(lab: Any) -> None:
    """With a rate of 1e-6 consecutive displacements agree to 0.97; a healthy twin wanders."""
    slow, healthy = trained(lab, torch.optim.SGD, lr=1e-6, steps=400), trained(lab, torch.optim.SGD, lr=0.1, steps=400)
    assert number(slow, "updates.displacement_cosine").value > 0.9
    assert number(healthy, "updates.displacement_cosine").value < 0.9
    assert number(slow, "updates.ratio_upper").value < 1e-5 < number(healthy, "updates.ratio_lower").value


def test_unmoved_parameters_are_sorted_by_reason(lab: Any) -> None:
    """Left out of the optimizer, listed without a gradient, and listed with a zero gradient are three things."""
    left_out = lab.mlp(32, 32)
    only_head = torch.optim.Adam(left_out[-1].parameters(), 1e-3)
    detached = lab.mlp(32, 32)
    detached[0].requires_grad_(False)
    listed = torch.optim.Adam(detached.parameters(), 1e-3)
    dead = lab.mlp(32, 32)
    torch.nn.init.constant_(dead[2].bias, -50.0)
    all_of_it = torch.optim.Adam(dead.parameters(), 1e-3)
    words = {}
    for name, model, adam in (("left out", left_out, only_head), ("detached", detached, listed), ("dead", dead, all_of_it)):
        frozen = number(lab.everything(lab.train(model, adam)), "updates.frozen")
        words[name] = (frozen.text, "0.weight" in frozen.items)
    assert words == {"left out": ("not in optimizer", True), "detached": ("no state", True), "dead": ("zero gradient", True)}


def test_optimizer_of_another_copy_moves_nothing(lab: Any) -> None:
    """No bit of the saved model changes, and the state says why."""
    model, other = lab.mlp(32), lab.mlp(32)
    found = lab.everything(lab.train(model, torch.optim.Adam(other.parameters(), 1e-3)))
    assert number(found, "updates.moved").value == 0
    assert number(found, "updates.frozen").text == "not in optimizer"
    assert isinstance(found["updates.equal_share"], Missing)


def test_decay_without_gradient_is_told_from_training(lab: Any) -> None:
    """Dead layers under AdamW shrink along themselves only, by the factor that the settings give; live ones also move sideways."""
    model = lab.mlp(32, 32)
    torch.nn.init.constant_(model[2].bias, -50.0)
    sick = number(lab.everything(lab.train(model, torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.1))), "updates.decay_only")
    assert "2.weight" in sick.items
    assert sick.items["2.weight"] == pytest.approx(1 - (1 - 1e-4) ** 50, rel=1e-3)
    healthy = trained(lab, torch.optim.AdamW, lr=1e-3, weight_decay=0.1)
    assert number(healthy, "updates.decay_only").value == 0


def test_decay_alone_shrinks_as_settings_say(lab: Any) -> None:
    """A dead matrix under AdamW shrinks by 1 - (1 - rate * decay)^steps within a part in a thousand; a live run has none to compare."""
    model = lab.mlp(32, 32)
    torch.nn.init.constant_(model[2].bias, -50.0)
    found = lab.everything(lab.train(model, torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.1)))
    error = number(found, "updates.decay_error")
    assert error.items["2.weight"] == pytest.approx(1 - (1 - 1e-4) ** 50, rel=1e-9)
    assert error.value < 1e-3
    assert isinstance(trained(lab, torch.optim.AdamW, lr=1e-3, weight_decay=0.1)["updates.decay_error"], Missing)


def test_decay_stands_beside_the_update(lab: Any) -> None:
    """Rate times decay times norm over the update's norm; coupled decay is within the update and counts as none."""
    found = trained(lab, torch.optim.AdamW, lr=1e-3, weight_decay=0.1)
    share, ratio = number(found, "updates.decay_share"), number(found, "updates.ratio")
    for name, value in share.items.items():
        assert value == pytest.approx(1e-3 * 0.1 / ratio.items[name], rel=1e-9)
    assert number(trained(lab, torch.optim.Adam, lr=1e-3, weight_decay=0.1), "updates.decay_share").value == 0


@pytest.mark.parametrize(("decay", "counted"), [(0.1, 1), (0.0, 0), (None, 1)])
def test_shrinking_at_a_saved_decay_of_zero_is_not_decay(lab: Any, decay: float | None, counted: int) -> None:
    """A matrix that shrinks along itself is counted where decay may have done it, and named apart where a saved decay of 0 did not."""
    weight = torch.randn(16, 8, generator=torch.Generator().manual_seed(0))
    checkpoints = [lab.bare(step, {"fc.weight": weight * factor}) for step, factor in ((0, 1.0), (100, 0.98))]
    if decay is not None:
        group: dict[str, Plain | tuple[float, ...]] = {"lr": 1e-3, "betas": (0.9, 0.999), "weight_decay": decay}
        held = Optimizer("optimizer", "adamw", (group,), {"fc.weight": 0}, {}, {}, "by name")
        checkpoints = [replace(one, optimizers=(held,)) for one in checkpoints]
    found = number(lab.everything(checkpoints), "updates.decay_only")
    assert (found.value, found.text) == (counted, "" if counted else "fc.weight")
