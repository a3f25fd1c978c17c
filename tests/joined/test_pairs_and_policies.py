"""Small adversarial pairs and policies, each sick one beside a twin that differs in one number, judged from what they leave on the disk."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.tensorboard import SummaryWriter

import postmortem
from postmortem.model import RunReport

STEPS = 240
ACTIONS = 4


def judged(folder: Path) -> RunReport:
    """The report of the one run in a folder."""
    (run,) = postmortem.analyze(folder).runs
    return run


def without(folder: Path, pattern: str) -> RunReport:
    """The report of the same run after some of its files were lost."""
    for path in folder.rglob(pattern):
        path.unlink()
    return judged(folder)


def train_pair(folder: Path, maker_rate: float = 2e-3, judge_rate: float = 2e-3) -> None:
    """Four clouds in the plane, cross-entropy, a penalty on the discriminator's slope where both rates are equal."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    maker = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
    judge = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
    makers = torch.optim.Adam(maker.parameters(), lr=maker_rate, betas=(0.5, 0.999))
    judges = torch.optim.Adam(judge.parameters(), lr=judge_rate, betas=(0.5, 0.999))
    middles = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    writer = SummaryWriter(str(folder))
    for step in range(STEPS + 1):
        if step % 80 == 0:
            state = {"netG": maker.state_dict(), "netD": judge.state_dict(), "step": step}
            state |= {"optimizerG": makers.state_dict(), "optimizerD": judges.state_dict()}
            torch.save(state, folder / f"step_{step:04d}.pt")
        real = (middles[torch.randint(4, (64,))] + 0.1 * torch.randn(64, 2)).requires_grad_()
        on_real, on_fake = judge(real), judge(maker(torch.randn(64, 4)).detach())
        judged_loss = functional.softplus(-on_real).mean() + functional.softplus(on_fake).mean()
        (slope,) = torch.autograd.grad(on_real.sum(), real, create_graph=True)
        judges.zero_grad()
        (judged_loss + (0.2 * slope.square().sum(1).mean() if maker_rate == judge_rate else 0)).backward()
        judges.step()
        lost = functional.softplus(-judge(maker(torch.randn(64, 4)))).mean()
        makers.zero_grad()
        lost.backward()
        makers.step()
        if step % 4 == 0:
            scores = (("D(x)", torch.sigmoid(on_real).mean()), ("D(G(z))", torch.sigmoid(on_fake).mean()))
            for tag, value in (("Loss_D", judged_loss), ("Loss_G", lost), *scores):
                writer.add_scalar(tag, value.item(), step)
    writer.close()


def train_policy(folder: Path, rate: float = 1e-2) -> None:
    """Which of four actions pays is told by the observation: REINFORCE with a baseline, logged as Stable-Baselines3 does."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    agent = nn.ModuleDict(
        {name: nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, out)) for name, out in (("actor", 4), ("critic", 1))}
    )
    with torch.no_grad():
        agent.get_parameter("actor.2.weight").mul_(0.01)
    optimizer = torch.optim.Adam(agent.parameters(), lr=rate)
    teacher = torch.randn(8, ACTIONS)
    writer = SummaryWriter(str(folder))
    for step in range(STEPS + 1):
        if step % 80 == 0:
            torch.save({"model": agent.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, folder / f"step_{step:04d}.pt")
        seen = torch.randn(64, 8)
        before = torch.distributions.Categorical(logits=agent["actor"](seen))
        action = before.sample()
        reward = (action == (seen @ teacher).argmax(1)).float() + 0.3 * torch.randn(64)
        value = agent["critic"](seen)[:, 0]
        gain = (reward - value).detach()
        aimed = -(before.log_prob(action) * (gain - gain.mean()) / (gain.std() + 1e-6)).mean()
        optimizer.zero_grad()
        (aimed + 0.5 * (reward - value).square().mean()).backward()
        optimizer.step()
        after = torch.distributions.Categorical(logits=agent["actor"](seen).detach())
        change = after.log_prob(action) - before.log_prob(action).detach()
        if step % 4 == 0:
            for tag, value_now in (
                ("rollout/ep_rew_mean", reward.mean().item()),
                ("train/entropy_loss", -before.entropy().mean().item()),
                ("train/approx_kl", min((change.exp() - 1 - change).mean().item(), 1e3)),
                ("train/policy_gradient_loss", aimed.item()),
            ):
                writer.add_scalar(tag, value_now, step)
    writer.close()


@pytest.mark.parametrize(("maker", "judge"), [(2e-5, 2e-3), (2e-3, 2e-5)])
def test_pair_with_rates_far_apart(tmp_path: Path, maker: float, judge: float) -> None:
    """A pair of which one side learns a hundred times faster has collapsed, by all of its files and by its checkpoints alone."""
    train_pair(tmp_path, maker, judge)
    run = judged(tmp_path)
    assert run.verdict == "failed"
    assert run.causes[0].id == "gan-collapse", [(cause.id, cause.probability) for cause in run.causes]
    assert "learning rates together" in run.causes[0].fix
    assert without(tmp_path, "*tfevents*").causes[0].id == "gan-collapse"


def test_discriminator_that_won_shows_in_the_logs(tmp_path: Path) -> None:
    """Where only logs are there, scores near 1 and 0 tell that the discriminator won."""
    train_pair(tmp_path, 2e-5, 2e-3)
    assert without(tmp_path, "*.pt").causes[0].id == "gan-collapse"


def test_pair_that_learns_is_left_in_peace(tmp_path: Path) -> None:
    """A pair whose losses settle where they began has no cause, and no check of losses was applied to it."""
    train_pair(tmp_path)
    run = judged(tmp_path)
    assert run.verdict == "inconclusive"
    assert run.causes == ()
    outcomes = {each.id: each.status for each in run.checks}
    for id in ("flat-loss", "diverged-loss", "oscillating-loss", "spiky-loss", "plateaued-loss", "rising-validation-loss", "negative-loss"):
        assert outcomes[id] == "not-applicable"


def test_policy_whose_steps_are_too_large(tmp_path: Path) -> None:
    """A policy at a hundred times the rate has collapsed, and that stands before the rate and all that it brought about."""
    train_policy(tmp_path, 1.0)
    run = judged(tmp_path)
    assert run.verdict == "failed"
    assert run.causes[0].id == "policy-collapse", [(cause.id, cause.probability) for cause in run.causes]
    assert without(tmp_path, "*.pt").causes[0].id == "policy-collapse"


def test_policy_that_learns_is_healthy(tmp_path: Path) -> None:
    """A return that rose proves that a policy learned, whatever its losses did."""
    train_policy(tmp_path)
    run = judged(tmp_path)
    assert run.verdict == "healthy", run.headline
    outcomes = {each.id: each.status for each in run.checks}
    assert outcomes["unimproved-return"] == "pass"
    assert outcomes["flat-loss"] == "not-applicable"
    assert math.isfinite(next(each for each in run.checks if each.id == "lost-exploration").finding.value or math.nan)
