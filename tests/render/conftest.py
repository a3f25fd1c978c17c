"""Reports made by hand for the tests of the renderers: one with everything in it, one of a healthy run, one of which nothing was read."""

from __future__ import annotations

import math

import pytest

from postmortem.checklist import ITEMS
from postmortem.model import (
    Argument,
    Artifacts,
    ChecklistItem,
    CountPlot,
    Curve,
    DepthPlot,
    Exhibit,
    Finding,
    Heatmap,
    InputFile,
    LinePlot,
    Mark,
    Outcome,
    Page,
    Problem,
    RankedCause,
    Report,
    RunReport,
    Status,
    Table,
    Threshold,
)

LAYERS = (*(f"encoder.block{index}.linear.weight" for index in range(8)), "head.weight")
CHECKPOINTS = tuple(f"step {step}" for step in range(0, 700, 100))
RATIO = Threshold(
    1e-5,
    "per step",
    "two decades below CS231n's 1e-3",
    "runs that move by 1 % in a thousand steps pass",
    "slow fine-tuning fails",
)
FALL = Threshold(0.02, "share", "project measurement", "slow starts pass", "noisy sound runs fail")


def _outcome(
    id: str, title: str, status: Status, reason: str, *, figure: str = "", vital: bool = False, log_next: tuple[str, ...] = ()
) -> Outcome:
    return Outcome(id, title, "family", Finding(status, reason), ("learning-rate",), figure, log_next, vital=vital)


def _loss(step: int) -> float:
    return 2.31 - 0.0002 * step + 0.03 * math.sin(step * 1.7) * math.cos(step * 0.37)


def _exhibits() -> tuple[Exhibit, ...]:
    steps = tuple(range(600))
    train = tuple(math.nan if step in (300, 301) else 9.0 if step == 420 else _loss(step) for step in steps)
    validation = tuple(_loss(step) + 0.05 for step in range(0, 600, 50))
    rate = tuple(1e-6 * min(1.0, step / 60) for step in steps)
    ratios = tuple(
        tuple(math.nan if column == 0 else 4e-7 * 10 ** (0.3 * row - 0.05 * column) for column in range(len(CHECKPOINTS)))
        for row in range(len(LAYERS))
    )
    return (
        LinePlot(
            "loss",
            "loss",
            "Loss, and the learning rate beneath",
            "2 more loss tags are not drawn.",
            "nats",
            (
                Curve("train/loss", "train", steps, train, 60_000),
                Curve("val/loss", "validation", tuple(range(0, 600, 50)), validation, 12),
            ),
            (Curve("train/learning_rate", "learning-rate", steps, rate, 600),),
            "learning rate",
            (
                Mark("level", "chance level 2.303", value=2.303),
                Mark("level", "far away", value=1e6),
                Mark("span", "steady at 2.3 for 78 % of the run", 100, 560),
                Mark("point", "spike of 3 times the progress made", 420, value=9.0),
                Mark("step", "first value that is NaN or infinite", 300),
            ),
        ),
        DepthPlot(
            "weight-variance",
            "layers",
            "Weight variance by depth",
            "Variance of each weight matrix times its fan-in.",
            "variance times fan-in",
            LAYERS,
            {
                "step 0": tuple(2.0 * 0.8**row for row in range(len(LAYERS))),
                "step 600": tuple(2.1 * 0.9**row for row in range(len(LAYERS))),
            },
            {"He": 2.0, "Glorot and LeCun": 1.0, "torch's default": 1 / 3},
        ),
        Heatmap(
            "update-ratio",
            "layers",
            "Update over weight",
            "Rebuilt from the optimizer's state.",
            "per step",
            LAYERS,
            CHECKPOINTS,
            ratios,
            {"usual": 1e-3, "floor": 1e-4},
        ),
        Table(
            "tensors",
            "layers",
            "Tensors",
            "Every tensor of step_000600.pt, in depth order.",
            ("tensor", "shape", "mean", "norm", "non-finite"),
            (
                *((layer, "64 x 64", 0.001 * row, 8.0 + row, 0) for row, layer in enumerate(LAYERS)),
                ("bn.num_batches_tracked", "scalar", math.nan, math.inf, None),
            ),
        ),
        CountPlot(
            "classes",
            "data",
            "Classes",
            "Records of each class.",
            ("cat", "dog", "axolotl"),
            {"train": (5000, 4100, 52), "validation": (500, 410, 0)},
        ),
        Table(
            "class-weights",
            "data",
            "Class weights",
            "Inverse-frequency weights.",
            ("class", "records", "weight"),
            (("cat", 5000, 0.61), ("dog", 4100, 0.744), ("axolotl", 52, 58.7)),
            'labels = ["cat", "dog", "axolotl"]\nweights = torch.tensor([0.61, 0.744, 58.7])',
        ),
    )


def _checks() -> tuple[Outcome, ...]:
    small = Finding(
        "fail",
        "the median update is 4.1e-7 of the weight's norm per step; below 1e-5 weights hardly move",
        4.1e-7,
        RATIO,
        "per step",
        100,
        LAYERS,
    )
    flat = Finding("fail", "the loss fell by 0.9 % of its first level, less than 2 %", 0.009, FALL, "share", 0, ("train/loss",))
    return (
        Outcome("small-updates", "Updates too small for the weights", "updates", small, ("update-ratio", "learning-rate"), "update-ratio"),
        Outcome("flat-loss", "Loss does not fall", "loss", flat, ("learning-rate",), "loss"),
        _outcome("class-imbalance", "Classes are unbalanced", "warn", "the largest class is 96 times the smallest", figure="classes"),
        _outcome("initial-loss", "First loss far from chance", "pass", "first loss 2.31, chance is ln(10) = 2.303", figure="loss"),
        _outcome("non-finite-weights", "Weights that are not finite", "pass", "all 14,090 elements of 7 checkpoints are finite"),
        _outcome("dead-units", "Dead units", "pass", "no unit of 8 layers is proved dead", vital=True),
        _outcome("gradient-burst", "Gradient norm bursts", "not-checked", "no gradient norm was logged", log_next=("gradient-norm",)),
        _outcome("saturation", "Saturated units", "not-checked", "no histograms were logged", log_next=("activation-histograms",)),
        _outcome("batchnorm-stale", "Stale batch-norm statistics", "not-applicable", "the model has no batch-norm layer"),
    )


def _causes() -> tuple[RankedCause, ...]:
    return (
        RankedCause(
            id="lr-too-low",
            title="Learning rate too low",
            probability=0.953,
            summary="The median update is 4.1e-7 of the weight's norm per step, and the loss fell by 0.9 % in 600 steps.",
            first_step=0,
            where=LAYERS,
            evidence=("small-updates", "flat-loss", "initial-loss"),
            against=("dead-units",),
            fix="Raise the learning rate from 1e-6 to about 2e-3, which brings the update:weight ratio to 0.001.",
            confirm="Repeat the first 200 steps with ten times the learning rate: the loss should fall at once.",
            arguments=(
                Argument(("small-updates",), "updates are far too small for the weights", 3.0),
                Argument(("flat-loss", "small-updates"), "the loss did not fall while updates were small", 2.0),
                Argument(("dead-units",), "units are alive", -0.5),
            ),
        ),
        RankedCause(
            id="underfitting",
            title="Too little capacity",
            probability=0.61,
            summary="The loss stays at 2.3.",
            first_step=None,
            where=(),
            evidence=("flat-loss",),
            against=(),
            fix="First raise the learning rate.",
            confirm="Train a model twice as wide.",
            explained_by="lr-too-low",
        ),
        RankedCause(
            id="label-noise",
            title="Labels do not follow inputs",
            probability=0.24,
            summary="The loss does not fall below the class prior.",
            first_step=None,
            where=(),
            evidence=("flat-loss",),
            against=("initial-loss",),
            fix="Look at 50 records by hand.",
            confirm="Overfit 100 records.",
        ),
    )


def _checklist() -> tuple[ChecklistItem, ...]:
    answers: dict[str, tuple[Status, str, tuple[str, ...]]] = {
        "learning-rate": ("fail", "the median update is 4.1e-7 of the weight's norm per step", ()),
        "update-ratio": ("fail", "the median update is 4.1e-7 of the weight's norm per step", ()),
        "balanced-classes": ("warn", "the largest class is 96 times the smallest", ()),
        "dead-relus": ("pass", "no unit of 8 layers is proved dead", ()),
        "initial-cross-entropy": ("pass", "first loss 2.31, chance is ln(10) = 2.303", ()),
        "pretrained-models": ("not-applicable", "the run was not meant to start from pre-trained weights", ()),
        "plot-gradients": ("not-checked", "no gradient norm was logged", ("gradient-norm",)),
    }
    unanswered: tuple[Status, str, tuple[str, ...]] = ("not-checked", "no artifact answers this", ("hyperparameters",))
    return tuple(
        ChecklistItem(id, title, answers.get(id, unanswered)[0], ("small-updates",), *answers.get(id, unanswered)[1:])
        for id, title in ITEMS.items()
    )


@pytest.fixture
def rich_run() -> RunReport:
    """A failed run with every part of a report in it."""
    causes = _causes()
    return RunReport(
        name="exp-17",
        path="runs/exp-17",
        verdict="failed",
        headline=f"{causes[0].title}. {causes[0].summary}",
        causes=causes,
        checks=_checks(),
        checklist=_checklist(),
        artifacts=Artifacts(1, 1812, 7, 14_090, 1, 1_234_567),
        problems=(Problem("exp-17/step_000300.pt", "truncated", "the archive ends at byte 4,096 of 12,288; 3 of 6 tensors are lost"),),
        exhibits=_exhibits(),
        inputs=(
            InputFile("tb/events.out.tfevents.1", "events", 200_123, "3 tags, steps 0 to 599"),
            InputFile("step_000600.pt", "checkpoint", 98_765, "step 600, 18 tensors"),
        ),
        notes=("tb holds the event files of this run.", "Steps come from file names."),
    )


@pytest.fixture
def sound_run() -> RunReport:
    """A run in which nothing is wrong."""
    return RunReport(
        name="twin",
        path="runs/twin",
        verdict="healthy",
        headline="The run looks healthy: the loss fell by 93 %. 1 check passed, 1 could not be made.",
        causes=(),
        checks=(
            _outcome("flat-loss", "Loss does not fall", "pass", "the loss fell by 93 %", figure="loss", vital=True),
            _outcome("gradient-burst", "Gradient norm bursts", "not-checked", "no gradient norm was logged", log_next=("gradient-norm",)),
        ),
        checklist=(),
        artifacts=Artifacts(1, 20),
        problems=(),
        exhibits=(LinePlot("loss", "loss", "Loss", "", "", (Curve("loss", "train", (0, 1, 2), (2.3, 1.1, 0.2), 3),)),),
    )


@pytest.fixture
def unreadable_run() -> RunReport:
    """A run of which nothing could be read: every part of the report is empty."""
    return RunReport(
        name=".",
        path="runs/broken",
        verdict="unreadable",
        headline="Nothing could be read: 1 file damaged or of an unknown kind.",
        causes=(),
        checks=(),
        checklist=(),
        artifacts=Artifacts(),
        problems=(Problem("x.pt", "corrupt", "neither a zip archive nor a pickle"),),
    )


@pytest.fixture
def pages() -> tuple[Page, ...]:
    """Docs of one check and one cause."""
    return (
        Page(
            "small-updates",
            "check",
            "Updates too small for the weights",
            {"When it is wrong": "Late in a schedule the ratio goes to zero\nas it should.\n\nFine-tuning works with ratios near 1e-5."},
            (RATIO,),
        ),
        Page("lr-too-low", "cause", "Learning rate too low", {"When it is wrong": "Frozen weights do not move either."}),
    )


@pytest.fixture
def rich_report(rich_run: RunReport, pages: tuple[Page, ...]) -> Report:
    """One failed run, with docs and a command."""
    return Report("0.1.0", (rich_run,), pages, "postmortem analyze runs/exp-17")


@pytest.fixture
def several_report(rich_run: RunReport, sound_run: RunReport, unreadable_run: RunReport, pages: tuple[Page, ...]) -> Report:
    """Three runs of different verdicts."""
    return Report("0.1.0", (rich_run, sound_run, unreadable_run), pages, "postmortem analyze runs/")
