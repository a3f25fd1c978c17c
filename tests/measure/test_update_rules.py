"""The last update of every kind of optimizer, against updates that were really made by torch, by the libraries, or by the papers' rules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from postmortem.measure.table import UpdateStats
from postmortem.measure.tensors import pass_over
from postmortem.measure.update_rules import lookahead_slack
from postmortem.model import Checkpoint, FoundFile
from postmortem.read.checkpoints.files import read_checkpoints

torch.set_num_threads(1)

Parameters = Iterable[torch.nn.Parameter]
Make = Callable[[Parameters], torch.optim.Optimizer]
Rule = Callable[[torch.Tensor, torch.Tensor, dict[str, Any], dict[str, Any]], None]
"""Parameter, gradient, state, group -> a step in place."""


class Paper(torch.optim.Optimizer):
    """An optimizer written from its paper: `rule` changes a parameter and its state in place."""

    def __init__(
        self, params: Parameters, rule: Callable[[torch.Tensor, torch.Tensor, dict[str, Any], dict[str, Any]], None], **defaults: Any
    ):
        super().__init__(params, defaults)
        self._rule = rule

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step of every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._rule(parameter, parameter.grad, self.state[parameter], group)


def lion(weight: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """Chen et al., 2302.06675, algorithm 2."""
    moment = state.setdefault("exp_avg", torch.zeros_like(weight))
    first, second = group["betas"]
    weight.mul_(1 - group["lr"] * group["weight_decay"]).sub_(torch.sign(first * moment + (1 - first) * gradient), alpha=group["lr"])
    moment.mul_(second).add_(gradient, alpha=1 - second)


def ademamix(weight: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """Pagliardini et al., 2409.03137, algorithm 1, with a warm-up of alpha."""
    if not state:
        state.update(step=0, **{slot: torch.zeros_like(weight) for slot in ("exp_avg_fast", "exp_avg_slow", "exp_avg_sq")})
        state["exp_avg"] = state.pop("exp_avg_fast")
    state["step"] += 1
    first, second, third = group["betas"]
    state["exp_avg"].mul_(first).add_(gradient, alpha=1 - first)
    state["exp_avg_slow"].mul_(third).add_(gradient, alpha=1 - third)
    state["exp_avg_sq"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
    alpha = group["alpha"] * min(1.0, state["step"] / group["alpha_warmup"])
    top = state["exp_avg"] / (1 - first ** state["step"]) + alpha * state["exp_avg_slow"]
    weight.sub_(group["lr"] * top / ((state["exp_avg_sq"] / (1 - second ** state["step"])).sqrt() + group["eps"]))


def lamb(weight: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """You et al., 1904.00962, algorithm 2, with phi(x) = x."""
    if not state:
        state.update(exp_avg=torch.zeros_like(weight), exp_avg_sq=torch.zeros_like(weight))
    group["step"] = state["step"] = state.get("step", 0) + 1
    first, second = group["betas"]
    state["exp_avg"].mul_(first).add_(gradient, alpha=1 - first)
    state["exp_avg_sq"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
    root = (state["exp_avg_sq"] / (1 - second ** state["step"])).sqrt() + group["eps"]
    made = state["exp_avg"] / (1 - first ** state["step"]) / root + group["weight_decay"] * weight
    weight.sub_(group["lr"] * weight.norm() / made.norm() * made)


def adafactor(weight: torch.Tensor, gradient: torch.Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    """Shazeer and Stern, 1804.04235, algorithms 4 and 5, in the layout of transformers and fairseq."""
    factored = weight.dim() > 1
    if not state:
        state.update(step=0, RMS=0.0)
        if factored:
            state["exp_avg_sq_row"] = torch.zeros(weight.shape[:-1], dtype=weight.dtype)
            state["exp_avg_sq_col"] = torch.zeros(*weight.shape[:-2], weight.shape[-1], dtype=weight.dtype)
        else:
            state["exp_avg_sq"] = torch.zeros_like(weight)
        if group["beta1"] is not None:
            state["exp_avg"] = torch.zeros_like(weight)
    state["step"] += 1
    state["RMS"] = float(weight.square().mean().sqrt())
    rate = min(1e-2, state["step"] ** -0.5) if group["relative_step"] else group["lr"]
    rate *= max(group["eps"][1], state["RMS"]) if group["scale_parameter"] else 1.0
    share = state["step"] ** group["decay_rate"]
    squares = gradient.square() + group["eps"][0]
    if factored:
        state["exp_avg_sq_row"].lerp_(squares.mean(-1), share)
        state["exp_avg_sq_col"].lerp_(squares.mean(-2), share)
        rows = state["exp_avg_sq_row"] / state["exp_avg_sq_row"].mean(-1, keepdim=True)
        second = rows.unsqueeze(-1) * state["exp_avg_sq_col"].unsqueeze(-2)
    else:
        second = state["exp_avg_sq"].lerp_(squares, share)
    made = gradient / second.sqrt()
    made = made / max(1.0, float(made.square().mean().sqrt()) / group["clip_threshold"]) * rate
    if group["beta1"] is not None:
        made = state["exp_avg"].mul_(group["beta1"]).add_(made, alpha=1 - group["beta1"])
    weight.sub_(made)


ADAFACTOR: dict[str, Any] = {
    "lr": None, "eps": (1e-30, 1e-3), "clip_threshold": 1.0, "decay_rate": -0.8, "beta1": None, "weight_decay": 0.0,
    "scale_parameter": True, "relative_step": True, "warmup_init": False,
}  # fmt: skip

EXACT: dict[str, tuple[str, Make]] = {
    "adam of a rate that is a tensor": ("adam", lambda p: torch.optim.Adam(p, lr=torch.tensor(3e-3))),
    "adam foreach": ("adam", lambda p: torch.optim.Adam(p, lr=3e-3, foreach=True)),
    "adam fused": ("adam", lambda p: torch.optim.Adam(p, lr=3e-3, fused=True)),
    "adam maximize": ("adam", lambda p: torch.optim.Adam(p, lr=3e-3, maximize=True)),
    "adamw amsgrad": ("adamw", lambda p: torch.optim.AdamW(p, lr=3e-3, amsgrad=True, weight_decay=0.0)),
    "adamax": ("adamax", lambda p: torch.optim.Adamax(p, lr=3e-3, betas=(0.8, 0.95))),
    "radam": ("radam", lambda p: torch.optim.RAdam(p, lr=3e-3, betas=(0.9, 0.9))),
    "radam not rectified yet": ("radam", lambda p: torch.optim.RAdam(p, lr=3e-3, betas=(0.9, 0.1))),
    "sgd": ("sgd", lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, maximize=True)),
    "rmsprop centered": ("rmsprop", lambda p: torch.optim.RMSprop(p, lr=1e-3, momentum=0.8, centered=True)),
    "rprop": ("rprop", lambda p: torch.optim.Rprop(p, lr=1e-3)),
    "lion": ("lion", lambda p: Paper(p, lion, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.0)),
    "ademamix": (
        "ademamix",
        lambda p: Paper(p, ademamix, lr=1e-3, betas=(0.9, 0.999, 0.9999), eps=1e-8, alpha=5.0, alpha_warmup=10, weight_decay=0.0),
    ),
    "adafactor with a first moment": ("adafactor", lambda p: Paper(p, adafactor, **{**ADAFACTOR, "beta1": 0.9})),
}


def model_of(dtype: torch.dtype = torch.float64) -> torch.nn.Sequential:
    """A small net with matrices, vectors and a convolution."""
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv1d(1, 6, 3), torch.nn.Flatten(), torch.nn.Tanh(), torch.nn.Linear(60, 30), torch.nn.Tanh(), torch.nn.Linear(30, 4)
    ).to(dtype)


def train(model: torch.nn.Module, optimizer: torch.optim.Optimizer, steps: int, noise: bool = False) -> dict[str, torch.Tensor]:
    """Train, and return the weights before the last step. `noise`: gradients that are nothing else."""
    generator = torch.Generator().manual_seed(1)
    dtype = next(model.parameters()).dtype
    before: dict[str, torch.Tensor] = {}
    for _ in range(steps):
        inputs = torch.randn(16, 12, generator=generator, dtype=torch.float64).to(dtype)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(model(inputs[:, None]), inputs[:, :4] * 2).backward()
        if noise:
            for parameter in model.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=generator, dtype=torch.float64).to(dtype)
        optimizer.step()
    return before


def read_back(folder: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Checkpoint:
    """The checkpoint as it comes from a file."""
    path = folder / "step.pt"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    data = read_checkpoints([FoundFile(path, path.name, "checkpoint", path.stat().st_size)], folder)
    assert not data.problems
    return data.checkpoints[0]


def updates_of(folder: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> tuple[str, Mapping[str, UpdateStats]]:
    """Algorithm and updates of a checkpoint that was written and read."""
    checkpoint = read_back(folder, model, optimizer)
    return checkpoint.optimizers[0].algorithm, pass_over([checkpoint]).rows[0].updates


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("steps", [1, 12])
def test_an_update_is_the_one_that_was_made(tmp_path: Path, name: str, steps: int) -> None:
    """Norm of the last step really made, tensor by tensor, within a part in ten thousand: after the first step and after some."""
    algorithm, make = EXACT[name]
    model = model_of()
    optimizer = make(model.parameters())
    before = train(model, optimizer, steps)
    told, updates = updates_of(tmp_path, model, optimizer)
    assert told == algorithm and set(updates) == set(before)
    for key, value in model.state_dict().items():
        assert updates[key].update_norm == pytest.approx(float((value - before[key]).norm()), rel=1e-4), key
        assert updates[key].slack == 0 and math.isnan(updates[key].limit) and updates[key].basis


def test_lamb_makes_updates_as_long_as_weights(tmp_path: Path) -> None:
    """The step, decay included, is the rate times the weights' norm; without decay it is Adam's where the trust ratio is left out."""
    model = model_of()
    settings: dict[str, Any] = {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 0.01, "grad_averaging": True}
    optimizer = Paper(model.parameters(), lamb, **settings, max_grad_norm=1.0, trust_clip=False, always_adapt=False)
    before = train(model, optimizer, 9)
    told, updates = updates_of(tmp_path, model, optimizer)
    assert told == "lamb"
    for key, value in model.state_dict().items():
        assert updates[key].update_norm == pytest.approx(float((value - before[key]).norm()), rel=5e-3)
        assert updates[key].stuck == -1


@pytest.mark.parametrize("noise", [False, True])
@pytest.mark.parametrize("name", ["nesterov", "nadam"])
def test_what_needs_the_last_gradient_is_within_its_slack(tmp_path: Path, name: str, noise: bool) -> None:
    """Nesterov and NAdam look ahead by a gradient that is not kept: short by the slack for pure noise."""
    model = model_of()
    optimizer: torch.optim.Optimizer = (
        torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, nesterov=True)
        if name == "nesterov"
        else torch.optim.NAdam(model.parameters(), lr=1e-3)
    )
    before = train(model, optimizer, 60, noise=noise)
    told, updates = updates_of(tmp_path, model, optimizer)
    assert told == ("sgd" if name == "nesterov" else "nadam")
    update = updates["3.weight"]
    made = float((model.state_dict()["3.weight"] - before["3.weight"]).norm())
    if name == "nesterov":
        assert update.slack == pytest.approx(math.sqrt(1.9**2 * 0.19 + 0.9**4) - 1)
    if noise:
        assert made / update.update_norm == pytest.approx(1 + update.slack, rel=0.05)
    else:
        assert update.update_norm * 0.98 < made < update.update_norm * (1 + update.slack) * 1.02


def test_gradients_that_agree_leave_no_slack() -> None:
    """A constant gradient makes Nesterov's update the buffer's own, in the limit."""
    weight = torch.nn.Parameter(torch.zeros(40, dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=1e-3, momentum=0.9, nesterov=True)
    for _ in range(300):
        before = weight.detach().clone()
        weight.grad = torch.full_like(weight, 0.02)
        optimizer.step()
    buffer = optimizer.state[weight]["momentum_buffer"]
    assert float((weight.detach() - before).norm()) == pytest.approx(float(1e-3 * buffer.norm()), rel=1e-9)
    assert lookahead_slack(1.0, 0.0) == 0.0 and lookahead_slack(0.0, 0.9) == pytest.approx(0.0)


@pytest.mark.parametrize("dampening", [0.0, 0.4])
def test_a_buffer_tells_the_gradient_that_fills_it(tmp_path: Path, dampening: float) -> None:
    """In the limit of a constant gradient its rms is the buffer's times (1 - momentum) / (1 - dampening)."""
    model = torch.nn.Linear(5, 4).double()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, dampening=dampening)
    for _ in range(300):
        for parameter in model.parameters():
            parameter.grad = torch.full_like(parameter, 0.02)
        optimizer.step()
    assert updates_of(tmp_path, model, optimizer)[1]["weight"].gradient_rms == pytest.approx(0.02, rel=1e-9)


LIMITED: dict[str, tuple[str, Make]] = {
    "rmsprop": ("rmsprop", lambda p: torch.optim.RMSprop(p, lr=1e-3)),
    "adagrad": ("adagrad", lambda p: torch.optim.Adagrad(p, lr=1e-2, lr_decay=0.1)),
    "muon": ("muon", lambda p: torch.optim.Muon([q for q in p if q.dim() == 2], lr=1e-2, weight_decay=0.0)),
    "torch's adafactor": ("adafactor", lambda p: torch.optim.Adafactor(p, lr=1e-2)),
    "adafactor": ("adafactor", lambda p: Paper(p, adafactor, **ADAFACTOR)),
    "adafactor of a rate": (
        "adafactor",
        lambda p: Paper(p, adafactor, **{**ADAFACTOR, "lr": 1e-3, "relative_step": False, "scale_parameter": False}),
    ),
}


@pytest.mark.parametrize("name", LIMITED)
@pytest.mark.parametrize("steps", [1, 12])
def test_what_cannot_be_rebuilt_has_a_limit(tmp_path: Path, name: str, steps: int) -> None:
    """Without the last gradient no update is made up; the step that was made keeps within the limit, and is not far from it."""
    algorithm, make = LIMITED[name]
    model = model_of()
    optimizer = make(list(model.parameters()))
    before = train(model, optimizer, steps)
    told, updates = updates_of(tmp_path, model, optimizer)
    assert told == algorithm and updates
    for key, update in updates.items():
        made = float((model.state_dict()[key] - before[key]).norm())
        assert (math.isnan(update.update_norm) and "kept" in update.basis) or "orthogonal" in update.basis
        assert made <= update.limit * 1.02 and update.stuck == -1
        assert made > update.limit * 0.02, key


def test_adadelta_and_asgd_say_that_they_do_not_know(tmp_path: Path) -> None:
    """Neither the update nor a limit follows from what they keep."""
    for make, word in ((torch.optim.Adadelta, "adadelta"), (torch.optim.ASGD, "asgd")):
        model = model_of()
        optimizer = make(model.parameters(), lr=1e-2)
        train(model, optimizer, 3)
        told, updates = updates_of(tmp_path, model, optimizer)
        assert told == word
        assert all(math.isnan(update.update_norm) and math.isnan(update.limit) for update in updates.values())


@pytest.mark.parametrize("layout", ["transformers", "torch"])
def test_factored_second_moments_tell_gradients(tmp_path: Path, layout: str) -> None:
    """A constant gradient of rank one is its two factors: rms, and sums per unit and per input, are the gradient's own."""
    torch.manual_seed(0)
    model = torch.nn.Linear(7, 5, bias=False).double()
    gradient = torch.outer(torch.linspace(1, 3, 5), torch.linspace(0.5, 2, 7)).double()
    optimizer: torch.optim.Optimizer = (
        Paper(model.parameters(), adafactor, **ADAFACTOR) if layout == "transformers" else torch.optim.Adafactor(model.parameters())
    )
    for _ in range(20):
        model.weight.grad = gradient.clone()
        optimizer.step()
    update = updates_of(tmp_path, model, optimizer)[1]["weight"]
    assert update.gradient_rms == pytest.approx(float(gradient.square().mean().sqrt()), rel=1e-5)
    assert update.units_second is not None and update.inputs_second is not None
    np.testing.assert_allclose(update.units_second, gradient.square().sum(1).numpy(), rtol=1e-5)
    np.testing.assert_allclose(update.inputs_second, gradient.square().sum(0).numpy(), rtol=1e-5)


DECAYED: dict[str, tuple[Make, float]] = {
    "adamw": (lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1), 1e-3),
    "adam": (lambda p: torch.optim.Adam(p, lr=1e-2, weight_decay=0.1), 0.0),
    "nadam decoupled": (lambda p: torch.optim.NAdam(p, lr=1e-2, weight_decay=0.1, decoupled_weight_decay=True), 1e-3),
    "radam": (lambda p: torch.optim.RAdam(p, lr=1e-2, weight_decay=0.1), 0.0),
    "radam decoupled": (lambda p: torch.optim.RAdam(p, lr=1e-2, weight_decay=0.1, decoupled_weight_decay=True), 1e-3),
    "sgd": (lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, weight_decay=0.1), 0.0),
    "lion": (lambda p: Paper(p, lion, lr=1e-2, betas=(0.9, 0.99), weight_decay=0.1), 1e-3),
    "torch's adafactor": (lambda p: torch.optim.Adafactor(p, lr=1e-2, weight_decay=0.1), 1e-3),
}


@pytest.mark.parametrize("name", DECAYED)
def test_decoupled_decay_is_told_beside_the_update(tmp_path: Path, name: str) -> None:
    """A step without gradient takes off what `decay_norm` says, and nothing where decay works through the moments."""
    make, share = DECAYED[name]
    model = torch.nn.Linear(30, 20).double()
    optimizer = make(model.parameters())
    for _ in range(2):
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        before = {key: value.clone() for key, value in model.state_dict().items()}
        optimizer.step()
    for key, update in updates_of(tmp_path, model, optimizer)[1].items():
        assert update.decay_norm == pytest.approx(share * float(model.state_dict()[key].norm()), rel=1e-9)
        if share:
            assert update.decay_norm == pytest.approx(float((model.state_dict()[key] - before[key]).norm()), rel=2e-3)


# --- libraries, where they are installed ------------------------------------------------------------------------------


def test_lion_of_its_library(tmp_path: Path) -> None:
    """lion-pytorch's own step, its decay taken off."""
    library = import_module("lion_pytorch")
    model = model_of()
    optimizer = library.Lion(model.parameters(), lr=1e-3, weight_decay=0.1)
    before = train(model, optimizer, 8)
    told, updates = updates_of(tmp_path, model, optimizer)
    assert told == "lion"
    for key, value in model.state_dict().items():
        assert updates[key].update_norm == pytest.approx(float((value - before[key] * (1 - 1e-4)).norm()), rel=1e-4)


@pytest.mark.parametrize("corrected", [False, True])
def test_prodigy_of_its_library(tmp_path: Path, corrected: bool) -> None:
    """Prodigy's step, once its distance stands still."""
    library = import_module("prodigyopt")
    model = model_of()
    optimizer = library.Prodigy(model.parameters(), lr=1.0, weight_decay=0.0, use_bias_correction=corrected, d0=1e-2, growth_rate=1.0)
    before = train(model, optimizer, 30)
    told, updates = updates_of(tmp_path, model, optimizer)
    assert told == "prodigy"
    for key, value in model.state_dict().items():
        assert updates[key].update_norm == pytest.approx(float((value - before[key]).norm()), rel=1e-2 if not corrected else 2e-2)


def test_adapted_adam_of_its_library(tmp_path: Path) -> None:
    """D-Adaptation's Adam keeps the learning rate within its first moment."""
    library = import_module("dadaptation")
    model = model_of()
    optimizer = library.DAdaptAdam(model.parameters(), lr=1.0, d0=1e-3)
    before = train(model, optimizer, 30)
    told, updates = updates_of(tmp_path, model, optimizer)
    assert told == "dadapt-adam"
    for key, value in model.state_dict().items():
        assert updates[key].update_norm == pytest.approx(float((value - before[key]).norm()), rel=1e-4)
        assert math.isnan(updates[key].snr) and updates[key].units_ratio is None


HOSTILE: tuple[dict[str, Any], ...] = (
    {"betas": (2.0, 3.0)},
    {"betas": (1.0, 1.0)},
    {"betas": (-5.0, float("nan"))},
    {"lr": float("inf"), "eps": -1.0},
    {"lr": 1e308, "weight_decay": 1e308, "decoupled_weight_decay": True},
    {"momentum_decay": -1e9},
    {"d": 1e-300, "d_coef": 1.0},
    {"step": -3},
)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["Adam", "RAdam", "NAdam", "Adagrad", "Adafactor", "RMSprop", "SGD"])
@pytest.mark.parametrize("settings", HOSTILE, ids=str)
def test_settings_that_nobody_trains_with_break_nothing(tmp_path: Path, kind: str, settings: dict[str, Any]) -> None:
    """Betas above 1, infinite rates and counters of a million: some number or none comes out, and no error."""
    model = torch.nn.Linear(4, 3)
    optimizer: Any = getattr(torch.optim, kind)(model.parameters(), lr=1e-2, **({"momentum": 0.9} if kind == "SGD" else {}))
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    for group in optimizer.param_groups:
        group.update(settings)
    for state in optimizer.state.values():
        if "step" in state:
            state["step"].fill_(1_000_000)
    _, updates = updates_of(tmp_path, model, optimizer)
    assert set(updates) == {"weight", "bias"}
