"""Settings that change, disagree or are odd; updates that a scaler skipped; parameters that were left behind."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from postmortem.measure.optimizer import measure_optimizer
from postmortem.measure.tensors import pass_over
from postmortem.model import Checkpoint, Measurement, Missing, Plain


def measured(checkpoints: list[Checkpoint]) -> dict[str, Measurement | Missing]:
    """What the optimizers of these checkpoints tell."""
    return {one.name: one for one in measure_optimizer(pass_over(checkpoints), checkpoints)}


def number(found: dict[str, Measurement | Missing], name: str) -> Measurement:
    """The measurement, which must be there."""
    one = found[name]
    assert isinstance(one, Measurement), one
    return one


def saved(lab: Any, steps: int = 6, every: int = 2, **settings: Any) -> list[Checkpoint]:
    """Checkpoints of a real training, that before the first step left out."""
    model = lab.mlp(8)
    groups = [{"params": list(model[0].parameters())}, {"params": list(model[2].parameters()), **settings}]
    checkpoints: list[Checkpoint] = lab.train(model, torch.optim.AdamW(groups, 1e-3, weight_decay=0.1), steps=steps, every=every)
    return checkpoints[1:]


def with_group(checkpoint: Checkpoint, index: int, **changes: Any) -> Checkpoint:
    """The same checkpoint with some settings of one group changed."""
    optimizer = checkpoint.optimizers[0]
    groups = tuple({**group, **changes} if place == index else group for place, group in enumerate(optimizer.groups))
    return replace(checkpoint, optimizers=(replace(optimizer, groups=groups),))


def test_a_setting_that_changed_is_told_with_its_step(lab: Any) -> None:
    """Betas that come back from an old checkpoint are one change, at the first checkpoint that has them; a schedule of rates is none."""
    first, second, third = saved(lab)
    quiet = number(measured([first, with_group(second, 0, lr=5e-4), third]), "optimizer.settings_changed")
    assert quiet.value == 0 and quiet.text == "" and quiet.first_step is None
    found = number(measured([first, with_group(second, 1, betas=(0.5, 0.9)), with_group(third, 1, betas=(0.5, 0.9))]), quiet.name)
    assert found.value == 1 and found.first_step == 4 and "betas of group 1" in found.text and "(0.5, 0.9)" in found.text


def test_a_base_rate_that_rose_is_told_and_one_that_fell_is_not(lab: Any) -> None:
    """From 1e-3 to 1e-2 the base rate rose tenfold, at the checkpoint that has it; back to 1e-3 is no rise, and no base rate is a gap."""
    first, second, third = (with_group(one, 0, initial_lr=1e-3) for one in saved(lab))
    name = "optimizer.base_rate_rise"
    steady = number(measured([first, second, third]), name)
    assert steady.value == 1 and steady.first_step is None
    risen = number(measured([first, with_group(second, 0, initial_lr=1e-2), with_group(third, 0, initial_lr=1e-2)]), name)
    assert risen.value == pytest.approx(10) and risen.first_step == 4
    assert number(measured([with_group(first, 0, initial_lr=1e-2), second, third]), name).value == 1
    assert isinstance(measured(saved(lab))[name], Missing)


def test_spread_and_stillness_of_rates(lab: Any) -> None:
    """A group at a ten thousandth of the rate is a spread of 1e4, one at 0 is a still group with its tensors counted."""
    even = measured(saved(lab))
    assert number(even, "optimizer.rate_spread").value == 1 and number(even, "optimizer.zero_rate").items == {}
    assert number(measured(saved(lab, lr=1e-7)), "optimizer.rate_spread").value == pytest.approx(1e4)
    still = measured(saved(lab, lr=0.0))
    assert number(still, "optimizer.zero_rate").items == {"group 1 of optimizer": 2.0}
    assert number(still, "optimizer.rate_spread").value == 1


def test_odd_settings_are_named(lab: Any) -> None:
    """An epsilon of 1, a second memory of ten updates and no first one; the usual ones are not odd."""
    assert number(measured(saved(lab)), "optimizer.unusual").value == 0
    odd = number(measured(saved(lab, eps=1.0, betas=(0.0, 0.89))), "optimizer.unusual")
    assert odd.items == {"eps of group 1 of optimizer": 1.0, "beta2 of group 1 of optimizer": 0.89, "beta1 of group 1 of optimizer": 0.0}


def test_decayed_vectors_are_counted(lab: Any) -> None:
    """Both biases are decayed by default, one where its group is not."""
    assert number(measured(saved(lab)), "optimizer.decayed_vectors").items == {"0.bias": 0.1, "2.bias": 0.1}
    assert number(measured(saved(lab, weight_decay=0.0)), "optimizer.decayed_vectors").items == {"0.bias": 0.1}


def scheduled(checkpoint: Checkpoint, prefix: str, rates: tuple[float, ...], epoch: int) -> Checkpoint:
    """The same checkpoint with a scheduler's state beside it."""
    values: dict[str, Plain] = {f"{prefix}_last_lr.{index}": rate for index, rate in enumerate(rates)}
    return replace(checkpoint, values={**values, f"{prefix}last_epoch": epoch})


@pytest.mark.parametrize("prefix", ["scheduler.", "scheduler.0."])
def test_rates_beside_the_schedulers(lab: Any, prefix: str) -> None:
    """Rates that agree leave no gap; a group that was overridden is off by its share, from the step on where it shows."""
    first, second, third = (scheduled(one, prefix, (1e-3, 1e-3), 2 * place) for place, one in enumerate(saved(lab), 1))
    healthy = measured([first, second, third])
    assert number(healthy, "optimizer.scheduler_gap").value == 0 and number(healthy, "optimizer.scheduler_restart").value == 0
    off = number(measured([first, second, with_group(third, 1, lr=2e-3)]), "optimizer.scheduler_gap")
    assert off.value == pytest.approx(0.5) and off.items == {"group 1": pytest.approx(0.5)} and off.first_step == 6
    back = number(measured([first, second, scheduled(third, prefix, (1e-3, 1e-3), 1)]), "optimizer.scheduler_restart")
    assert back.value == 3 and back.first_step == 6 and back.items == {"step 6": 3}


def test_two_schedulers_are_not_compared(lab: Any) -> None:
    """Which of two belongs to the optimizer is not known; nested ones of a sequence are no second scheduler."""
    one = saved(lab)[-1]
    two = {f"scheduler.{which}._last_lr.{group}": 0.5 for which in range(2) for group in range(2)}
    assert isinstance(measured([replace(one, values=two)])["optimizer.scheduler_gap"], Missing)
    nested = {**scheduled(one, "scheduler.", (1e-3, 1e-3), 6).values, "scheduler._schedulers.0._last_lr.0": 0.7}
    assert number(measured([replace(one, values=nested)]), "optimizer.scheduler_gap").value == 0


def test_a_real_scheduler_agrees_with_its_optimizer(lab: Any) -> None:
    """Torch's own state_dict, as a file would give it."""
    model = lab.mlp(8)
    adam = torch.optim.Adam(model.parameters(), 1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(adam, 10)
    checkpoints = []
    for step in (1, 2, 3):
        lab.train(model, adam, steps=1, every=1)
        scheduler.step()
        kept = {f"scheduler._last_lr.{index}": rate for index, rate in enumerate(scheduler.get_last_lr())}
        checkpoints.append(lab.snapshot(model, adam, step, {**kept, "scheduler.last_epoch": scheduler.last_epoch}))
    found = measured(checkpoints)
    assert number(found, "optimizer.scheduler_gap").value == 0 and number(found, "optimizer.scheduler_restart").value == 0
    assert number(found, "optimizer.settings_changed").value == 0


# --- skipped and missing updates --------------------------------------------------------------------------------------


def scaled(lab: Any, scales: dict[int, float], **values: float) -> dict[str, Measurement | Missing]:
    """Checkpoints of these steps with a gradient scaler of these scales beside them."""
    one = saved(lab)[-1]
    found = [replace(one, source=f"{step}.pt", step=step, values={"scaler.scale": scale, **values}) for step, scale in scales.items()]
    return measured(found)


@pytest.mark.parametrize(
    ("scales", "least", "most"),
    [
        ({100: 65536.0}, 0, 0),
        ({100: 2.0**10}, 6, 6),
        ({100: 2.0**10, 200: 2.0**6}, 10, 10),
        ({2500: 2.0**17}, 0, 0),
        ({2500: 2.0**16}, 0, 1),
        ({6000: 2.0**17, 12000: 2.0**15}, 2, 7),
    ],
)
def test_skips_are_read_off_the_scale(lab: Any, scales: dict[int, float], least: int, most: int) -> None:
    """Each halving is a skip; as many more may hide behind growths as there were intervals of 2000 steps."""
    found = number(scaled(lab, scales), "optimizer.scaler_skips")
    assert found.items == {"least": least, "most": most} and found.value == least


def test_skips_of_a_real_scaler(lab: Any) -> None:
    """Torch's own scaler, fed with infinities at every third step, skips what its scale tells."""
    scaler = torch.amp.GradScaler("cpu", init_scale=65536.0, growth_interval=10_000)
    weight = torch.nn.Parameter(torch.ones(4))
    sgd = torch.optim.SGD([weight], 0.1, momentum=0.9)
    for step in range(30):
        scaler.scale(weight.sum()).backward()
        if step % 3 == 0:
            assert weight.grad is not None
            weight.grad.fill_(torch.inf)
        scaler.step(sgd)
        scaler.update()
        sgd.zero_grad()
    state = {f"scaler.{key}": float(value) for key, value in scaler.state_dict().items()}
    one = saved(lab)[-1]
    assert number(measured([replace(one, step=30, values=state)]), "optimizer.scaler_skips").value == 10


def test_parameters_that_were_left_behind(lab: Any) -> None:
    """A tensor without gradient for two steps has counted two updates fewer."""
    model = lab.mlp(8)

    def detach(step: int) -> None:
        if step in (3, 4):
            model[0].weight.grad = None

    adam = torch.optim.Adam(model.parameters())
    found = measured(lab.train(model, adam, steps=6, every=6, before_step=detach)[1:])
    assert number(found, "optimizer.step_spread").items == {"0.weight": 2.0}
    assert number(measured(saved(lab)), "optimizer.step_spread").value == 0


def test_accumulation_is_the_ratio_that_stays(lab: Any) -> None:
    """Four micro-steps an update in all checkpoints are an accumulation of 4; a restart is none."""
    one = saved(lab)[-1]

    def at(counts: dict[int, int]) -> list[Checkpoint]:
        optimizer = one.optimizers[0]
        return [
            replace(one, source=f"{step}.pt", step=step, optimizers=(replace(optimizer, steps=dict.fromkeys(optimizer.steps, count)),))
            for step, count in counts.items()
        ]

    assert number(measured(at({100: 25, 200: 50, 400: 100})), "optimizer.accumulation").value == pytest.approx(4)
    assert number(measured(at({100: 100, 200: 200})), "optimizer.accumulation").value == 1
    assert isinstance(measured(at({200: 200, 300: 300, 400: 100}))["optimizer.accumulation"], Missing)
