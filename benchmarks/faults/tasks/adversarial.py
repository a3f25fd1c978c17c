"""Adversarial pairs: points in the plane and handwritten digits, with the losses that are in use.

The score is 1 less what the samples are worth: the share that lies as near to data as data do, times the share of the data's groups
(clouds, digits) that they cover. Faults change the game by `settings`: factors on both learning rates, updates of the discriminator,
its penalty, the rule of the loss.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import count, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from faults.games import intervals, logged, setting, snapshot, suited, with_roles, word
from faults.nouns import Data, Fault, Point, Snapshot, Task, Trained
from faults.plan import Plan, Style

RECORDS = 4096
NEAREST = 0.95
"""Share of the records that have a neighbour within some distance; `REACH` times as far, a sample is still near to data."""
REACH = {2: 4.0, 64: 1.1}
"""By the numbers of a record: points in the plane lie densely, and what lies far from all images is a mean of them."""
LEAST_SHARE = 0.2
"""A group is covered by this share of the samples that it would have if all were equal."""
TAGS = (
    ("loss_d", "loss_g", "D(x)", "D(G(z))"),
    ("Loss_D", "Loss_G", "D_x", "D_G_z1"),
    ("d_loss", "g_loss", "real_score", "fake_score"),
    ("errD", "errG", "D_real", "D_fake"),
    ("discriminator_loss", "generator_loss", "D_real", "D_fake"),
)
"""What projects call both losses and both scores."""


@dataclass(frozen=True, slots=True)
class Game:
    """What makes a pair, beside its nets and data."""

    rule: str
    """`cross-entropy`, `hinge`, `wasserstein` or `least-squares`; faults know `saturating` too."""
    penalty: float
    """Weight of the discriminator's squared gradient at real samples; between both kinds, and about 1, for `wasserstein`."""
    latent: int = 16
    judge_steps: int = 1


class Pair(nn.Module):
    """A generator and a discriminator, saved together."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator


# --- data and nets ----------------------------------------------------------------------------------------------------


def _clouds(middles: Tensor, spread: float, seed: int) -> Data:
    draw = torch.Generator().manual_seed(seed)
    group = torch.randint(len(middles), (RECORDS,), generator=draw)
    return Data(middles[group] + spread * torch.randn(RECORDS, 2, generator=draw), group, RECORDS)


def ring(seed: int) -> Data:
    """Eight clouds on a circle of radius 2."""
    angles = torch.arange(8) * (2 * math.pi / 8)
    return _clouds(2 * torch.stack([angles.cos(), angles.sin()], dim=1), 0.1, seed)


def grid(seed: int) -> Data:
    """Nine clouds in three rows."""
    ticks = torch.tensor([-1.5, 0.0, 1.5])
    return _clouds(torch.cartesian_prod(ticks, ticks), 0.12, seed)


def pinwheel(seed: int) -> Data:
    """Five bent arms."""
    draw = torch.Generator().manual_seed(seed)
    arm = torch.randint(5, (RECORDS,), generator=draw)
    along = 0.4 + 1.8 * torch.rand(RECORDS, generator=draw)
    angle = arm * (2 * math.pi / 5) + 0.5 * along
    points = torch.stack([along * angle.cos(), along * angle.sin()], dim=1)
    return Data(points + 0.06 * torch.randn(RECORDS, 2, generator=draw), arm, RECORDS)


@cache
def _digit_images() -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return torch.tensor(bunch.data / 8 - 1, dtype=torch.float32), torch.tensor(bunch.target)


def digits(seed: int) -> Data:
    """1,797 digits of 64 pixels from -1 to 1."""
    images, labels = _digit_images()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return Data(images[order], labels[order], len(images))


def _dense(widths: tuple[int, ...], slope: float, last: nn.Module | None = None) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.LeakyReLU(slope) if slope else nn.ReLU()]
    return nn.Sequential(*layers[:-1], *([] if last is None else [last]))


def small(data: Data, seed: int) -> nn.Module:
    """Two hidden layers of 64 in both nets."""
    return Pair(_dense((8, 64, 64, 2), 0.0), _dense((2, 64, 64, 1), 0.2))


def deeper(data: Data, seed: int) -> nn.Module:
    """Three hidden layers of 64 in both nets."""
    return Pair(_dense((16, 64, 64, 64, 2), 0.0), _dense((2, 64, 64, 64, 1), 0.1))


def wide(data: Data, seed: int) -> nn.Module:
    """Two hidden layers of 128 in both nets."""
    return Pair(_dense((4, 128, 128, 2), 0.0), _dense((2, 128, 128, 1), 0.2))


def wide_images(data: Data, seed: int) -> nn.Module:
    """Two hidden layers of 128 for images."""
    return Pair(_dense((16, 128, 128, 64), 0.0, nn.Tanh()), _dense((64, 128, 128, 1), 0.2))


def deeper_images(data: Data, seed: int) -> nn.Module:
    """Three hidden layers of 96 for images."""
    return Pair(_dense((16, 96, 96, 96, 64), 0.0, nn.Tanh()), _dense((64, 96, 96, 96, 1), 0.1))


# --- losses -----------------------------------------------------------------------------------------------------------


def judge_loss(rule: str, real: Tensor, fake: Tensor) -> Tensor:
    """What the discriminator minimizes, from its logits."""
    if rule == "wasserstein":
        return fake.mean() - real.mean()
    if rule == "hinge":
        return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
    if rule == "least-squares":
        return 0.5 * ((real - 1).square().mean() + fake.square().mean())
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def maker_loss(rule: str, fake: Tensor) -> Tensor:
    """What the generator minimizes."""
    if rule in ("wasserstein", "hinge"):
        return -fake.mean()
    if rule == "least-squares":
        return 0.5 * (fake - 1).square().mean()
    return -functional.softplus(fake).mean() if rule == "saturating" else functional.softplus(-fake).mean()


def slope_penalty(rule: str, judge: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Squared gradient at real samples, or its distance from norm 1 between both kinds."""
    between = rule == "wasserstein"
    share = torch.rand(len(real), 1) if between else torch.ones(len(real), 1)
    points = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(judge(points).sum(), points, create_graph=True)
    norm = slope.square().sum(dim=1)
    return ((norm.add(1e-12).sqrt() - 1).square() if between else norm).mean()


# --- training ---------------------------------------------------------------------------------------------------------


@torch.no_grad()
def worth(maker: nn.Module, latent: int, data: Data) -> float:
    """Share of 2,000 samples that lie near data, times the share of groups that they cover."""
    made = maker(torch.randn(2000, latent, generator=torch.Generator().manual_seed(12345)))
    if not bool(torch.isfinite(made).all()):
        return 0.0
    kept = data.inputs[:2000]
    own = torch.cdist(kept, kept).fill_diagonal_(math.inf).min(dim=1).values
    nearest = torch.cdist(made, kept).min(dim=1)
    near = nearest.values < REACH[made.shape[1]] * torch.quantile(own, NEAREST)
    groups = int(data.targets.max()) + 1
    counts = torch.bincount(data.targets[nearest.indices][near], minlength=groups)
    covered = float((counts >= LEAST_SHARE * len(made) / groups).sum()) / groups
    return covered * float(near.float().mean())


def _optimizer(plan: Plan, net: nn.Module, rate: float) -> torch.optim.Optimizer:
    if plan.optimizer == "rmsprop":
        return torch.optim.RMSprop(net.parameters(), lr=rate, foreach=False)
    kind = torch.optim.AdamW if plan.optimizer == "adamw" else torch.optim.Adam
    return kind(net.parameters(), lr=rate, betas=plan.betas, foreach=False)


def _batches(data: Data, plan: Plan) -> Iterator[Tensor]:
    draw = torch.Generator().manual_seed(plan.seed + 7919)
    for _ in count():
        yield data.inputs[torch.randint(data.train, (plan.batch_size,), generator=draw)]


def train(game: Game, task: Task, plan: Plan, style: Style, fault: Fault | None) -> Trained:
    """Train both nets by turns."""
    style = suited(style)
    # Two optimizers have no place in these layouts, and no pair is saved in them.
    style = replace(style, layout={"hugging-face": "numbered", "bare": "parallel"}.get(style.layout, style.layout))
    rule, penalty = word(fault, "rule", game.rule), setting(fault, "penalty", game.penalty)
    judge_steps = int(setting(fault, "judge_steps", game.judge_steps))
    data = task.data(plan.seed)
    torch.manual_seed(plan.seed)
    pair = task.model(data, plan.seed)
    assert isinstance(pair, Pair)
    maker, judge = pair.generator, pair.discriminator
    makers = _optimizer(plan, maker, plan.lr * setting(fault, "maker_rate", 1.0))
    judges = _optimizer(plan, judge, plan.lr * setting(fault, "judge_rate", 1.0))
    tags = TAGS[plan.seed % len(TAGS)]
    log_every, save_every = intervals(style, plan.steps)
    batches = _batches(data, plan)
    points: list[Point] = []
    saved: list[Snapshot] = []
    for step in range(plan.steps + 1):
        if step % save_every == 0 and (step or style.first):
            saved.append(snapshot(step, pair, {"optimizer_g": makers, "optimizer_d": judges}))
        if step == plan.steps:
            break
        for _ in range(judge_steps):
            real = next(batches)
            with torch.no_grad():
                fake = maker(torch.randn(plan.batch_size, game.latent))
            on_real, on_fake = judge(real)[:, 0], judge(fake)[:, 0]
            judged = judge_loss(rule, on_real, on_fake)
            total = judged + penalty * slope_penalty(rule, judge, real, fake) if penalty else judged
            judges.zero_grad()
            total.backward()
            judges.step()
        lost = maker_loss(rule, judge(maker(torch.randn(plan.batch_size, game.latent)))[:, 0])
        makers.zero_grad()
        lost.backward()
        makers.step()
        if step % log_every == 0:
            values = {tags[0]: judged.item(), tags[1]: lost.item()}
            if "accuracy" in style.roles or plan.seed % 3 == 0:
                squash = torch.sigmoid if rule in ("cross-entropy", "saturating") else torch.clone
                values |= {tags[2]: float(squash(on_real.detach()).mean()), tags[3]: float(squash(on_fake.detach()).mean())}
            points.append(logged(step, values, pair, style, log_every))
    settings: dict[str, str | float | bool] = {"model": f"{task.architecture}-gan", "lr": plan.lr, "batch_size": plan.batch_size}
    kept = tuple(points)
    trained = Trained(
        plan,
        with_roles(style, kept),
        data,
        kept,
        tuple(saved),
        1 - worth(maker, game.latent, data),
        1.0,
        {**settings, "max_steps": plan.steps},
    )
    return fault.trained(trained) if fault and fault.trained else trained


_FLAT = Plan(steps=800, batch_size=128, lr=1e-3, betas=(0.5, 0.999))
_IMAGES = Plan(steps=1000, batch_size=64, lr=1e-3, betas=(0.5, 0.999))
_ADVERSARIAL = frozenset({"adversarial"})
GAMES = {
    "ring-pair": Game("cross-entropy", 0.1, latent=8),
    "digits-hinge-pair": Game("hinge", 1.0),
    "pinwheel-critic": Game("wasserstein", 0.3, latent=4, judge_steps=2),
    "grid-pair": Game("cross-entropy", 0.2),
    "digits-deeper-pair": Game("cross-entropy", 0.3),
    "ring-critic": Game("wasserstein", 0.3, latent=4, judge_steps=2),
}
TASKS = (
    Task(
        "ring-pair", "first", "pair-mlp-64", "adversarial", ring, small, _FLAT, 0.7, _ADVERSARIAL,
        train=partial(train, GAMES["ring-pair"]),
    ),
    Task(
        "digits-hinge-pair", "first", "pair-mlp-images", "adversarial", digits, wide_images, _IMAGES, 0.8, _ADVERSARIAL,
        train=partial(train, GAMES["digits-hinge-pair"]),
    ),
    Task(
        "pinwheel-critic", "first", "critic-mlp-128", "adversarial", pinwheel, wide,
        Plan(steps=600, batch_size=128, lr=1e-3, betas=(0.5, 0.999)), 0.7, _ADVERSARIAL | {"critic"},
        train=partial(train, GAMES["pinwheel-critic"]),
    ),
    Task(
        "grid-pair", "first", "pair-mlp-deeper", "adversarial", grid, deeper, _FLAT, 0.7, _ADVERSARIAL,
        train=partial(train, GAMES["grid-pair"]),
    ),
    Task(
        "digits-deeper-pair", "first", "pair-mlp-images-deeper", "adversarial", digits, deeper_images,
        replace(_IMAGES, steps=1500, batch_size=128), 0.8, _ADVERSARIAL,
        train=partial(train, GAMES["digits-deeper-pair"]),
    ),
    Task(
        "ring-critic", "first", "critic-mlp-wide", "adversarial", ring, wide,
        Plan(steps=600, batch_size=128, lr=1e-3, betas=(0.5, 0.999)), 0.7, _ADVERSARIAL | {"critic"},
        train=partial(train, GAMES["ring-critic"]),
    ),
)  # fmt: skip
