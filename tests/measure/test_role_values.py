"""Roles that the numbers decide: each rule on the curve that it is for, and on the nearest one that it must leave alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from postmortem.measure.roles import assign, main, main_training_loss, main_validation_loss, paired_training_loss
from postmortem.model import ReadOptions, Series

POINTS = 80
RNG = np.random.default_rng(4)
PROGRESS = np.linspace(0, 1, POINTS)
Floats = NDArray[np.float64]


def falling(scale: float = 1.0, noise: float = 0.05) -> Floats:
    """A loss that falls to a fifth, with noise."""
    return scale * (0.2 + 0.8 * np.exp(-4 * PROGRESS) * (1 + RNG.normal(0, noise, POINTS))) + scale * noise * RNG.random(POINTS)


def told(**curves: Floats) -> dict[str, tuple[str, str]]:
    """Tag -> (role, why); two underscores in a name stand for a slash."""
    return told_of({name.replace("__", "/"): values for name, values in curves.items()})


def told_of(curves: dict[str, Floats]) -> dict[str, tuple[str, str]]:
    """Tag -> (role, why)."""
    series = [
        Series(tag, "", np.arange(values.size), np.asarray(values, dtype=np.float64), np.full(values.size, np.nan), "events")
        for tag, values in curves.items()
    ]
    return {one.series.tag: (one.role, one.why) for one in assign(series, ReadOptions())}


def test_a_sum_proves_which_loss_is_the_total() -> None:
    """Of losses without a telling name the one that equals the sum of the others is the total, and those are its parts."""
    one, two, three = falling(1.0), falling(2.0), falling(0.5)
    found = told(lossA=one, lossB=two, lossC=three, lossAll=one + two + three)
    assert found["lossAll"][0] == "training-loss"
    assert "'lossA'" in found["lossAll"][1]
    assert {found[tag][0] for tag in ("lossA", "lossB", "lossC")} == {"part-of-loss"}


def test_a_sum_holds_at_rounded_values() -> None:
    """Logs of four digits still prove a sum."""
    one, two = falling(1.0), falling(2.0)
    rounded = {"warp_loss": np.round(one, 4), "flow_loss": np.round(two, 4), "both_loss": np.round(one + two, 4)}
    assert told_of(rounded)["both_loss"][0] == "training-loss"


def test_a_weighted_sum_is_no_proof() -> None:
    """Where a part is counted twice nothing is proved, and the words alone decide."""
    one, two = falling(1.0), falling(2.0)
    assert told(warp_loss=one, flow_loss=two, both_loss=one + 2 * two)["both_loss"][0] == "part-of-loss"


def test_the_loss_that_is_a_part_of_a_regularized_sum_is_the_data_loss() -> None:
    """`loss` plus regularization is another tag: then `loss` is the data's share and not the total."""
    data, penalty = falling(1.0), falling(3.0)
    found = told(loss=data, regularization_loss=penalty, optimized_loss=data + penalty)
    assert {tag: role for tag, (role, _) in found.items()} == {
        "loss": "data-loss",
        "regularization_loss": "regularization",
        "optimized_loss": "training-loss",
    }


def test_sums_of_an_adversarial_pair_are_no_totals() -> None:
    """The discriminator's loss is the sum of two, and still not the loss of the run."""
    real, fake = falling(1.0), falling(1.0)
    found = told(loss_D_real=real, loss_D_fake=fake, loss_D=real + fake, loss_G=falling(2.0))
    assert found["loss_D"][0] == "part-of-loss"


def test_sums_of_two_tasks_have_one_total() -> None:
    """Tasks with sums of their own are parts of the sum of all."""
    one, two, three, four = (falling(scale) for scale in (1.0, 2.0, 0.7, 1.4))
    found = told(
        ab_loss=one + two, cx_loss=three + four, am_loss=one, bm_loss=two, cm_loss=three, xm_loss=four, all_loss=one + two + three + four
    )
    assert {tag for tag, (role, _) in found.items() if role == "training-loss"} == {"all_loss"}


def test_a_loss_that_is_minus_the_return_is_none() -> None:
    """A loss with the return's numbers and the other sign is not judged as a loss."""
    reward = 200 * PROGRESS + RNG.normal(0, 5, POINTS)
    role, why = told(episode_reward=reward, loss=-reward)["loss"]
    assert (role, why) == ("other", "equals minus 'episode_reward' at every step")


@pytest.mark.parametrize("tag", ["val_loss_so_far", "val_loss_lowest"])
def test_a_running_minimum_is_no_curve(tag: str) -> None:
    """The lowest validation loss so far is told by its values, and the curve that it follows keeps its role."""
    values = falling(1.0, noise=0.3)
    found = told_of({"val_loss": values, tag: np.minimum.accumulate(values)})
    assert found[tag][0] == "other"
    assert found["val_loss"][0] == "validation-loss"


def test_two_losses_that_fall_throughout_stay_losses() -> None:
    """A smooth curve that happens to equal another one is no running minimum of it."""
    smooth = np.exp(-3 * PROGRESS)
    assert told(train_loss_step=smooth, train_loss_epoch=smooth)["train_loss_step"][0] == "training-loss"


def test_one_point_beside_a_curve_is_a_final_mean() -> None:
    """HF's `train/train_loss` is one mean at the end; alone, it is the training loss that there is."""
    found = told_of({"train/loss": falling(), "train/train_loss": np.array([0.5])})
    assert found["train/train_loss"] == ("other", "one final value, no curve")
    assert told_of({"train/train_loss": np.array([0.5])})["train/train_loss"][0] == "training-loss"


def test_a_constant_called_reg_is_the_coefficient() -> None:
    """`reg` that never moves beside a moving loss is the strength; a regularization loss of 0 stays one."""
    assert told(loss=falling(), reg=np.full(POINTS, 1e-4))["reg"][0] == "other"
    assert told(loss=falling(), reg=falling(0.1))["reg"][0] == "regularization"
    assert told(loss=falling(), reg_loss=np.zeros(POINTS))["reg_loss"][0] == "regularization"


def test_values_rule_out_an_accuracy() -> None:
    """What leaves 0 to 100 is no accuracy, whatever it is called."""
    assert told(acc=100 * PROGRESS)["acc"][0] == "accuracy"
    assert told(acc=RNG.normal(0, 9.81, POINTS))["acc"][0] == "metric"


def test_values_rule_out_a_learning_rate() -> None:
    """What lies above 10 for half of the run, or below 0, is no learning rate; LARS at its peak is one."""
    assert told(loss=falling(), lr=20 + 10 * PROGRESS)["lr"][0] == "other"
    assert told(loss=falling(), lr=np.where(PROGRESS < 0.1, 20.0, 2 * (1 - PROGRESS)))["lr"][0] == "learning-rate"


def test_a_rate_in_other_units_is_no_learning_rate() -> None:
    """The rate times 1e5 is told by its ratio to the rate itself; a second group at a tenth of the rate stays one."""
    rate = 1e-3 * np.cos(PROGRESS)
    found = told_of({"lr": rate, "lr_shown": 1e4 * rate, "lr/pg1": 0.1 * rate, "strength": 3 * rate, "train/loss": falling()})
    assert found["lr_shown"] == ("other", "1e+04 times 'lr' at every step")
    assert found["lr/pg1"][0] == "learning-rate"
    assert found["strength"] == ("other", "3 times 'lr' at every step")


def test_values_tell_a_scale_invariant_loss_from_a_loss_scale() -> None:
    """A gradient scaler doubles and halves; a loss called scale does not."""
    assert told(train__loss_scale=2.0 ** np.repeat([16, 17, 16, 15], 20))["train/loss_scale"][0] == "loss-scale"
    assert told(train__loss_scale=falling())["train/loss_scale"][0] == "part-of-loss"


def test_an_epoch_counter_is_told_by_its_values() -> None:
    """A staircase by ones with even steps counts epochs under any name; updates and episodes do not come so evenly."""
    assert told(loss=falling(), pass_number=np.repeat(np.arange(8.0), 10))["pass_number"][0] == "epoch"
    assert told(loss=falling(), resumes=np.repeat([0.0, 1.0, 2.0, 3.0], [40, 5, 30, 5]))["resumes"][0] == "other"
    assert told(loss=falling(), updates=np.arange(80.0))["updates"][0] == "other"


def series(tag: str, group: str, last: int, points: int) -> Series:
    """A falling series of a group, up to a step."""
    steps = np.linspace(0, last, points).astype(np.int64)
    return Series(tag, group, steps, np.exp(-steps / last), np.full(points, np.nan), "events")


KERAS = (
    series("batch_loss", "train", 9000, 900),
    series("epoch_loss", "train", 19, 20),
    series("epoch_loss", "validation", 19, 20),
    series("evaluation_loss_vs_iterations", "validation", 9000, 20),
)


def test_validation_loss_counts_the_steps_of_the_training_loss() -> None:
    """Of Keras' two validation losses the one over iterations goes with the loss of batches, the one over epochs with that of epochs."""
    roled = assign(KERAS, ReadOptions())
    training = main_training_loss(roled)
    assert training is not None
    assert training.series.tag == "batch_loss"
    found = main_validation_loss(roled, training)
    assert found is not None
    assert found.series.tag == "evaluation_loss_vs_iterations"
    epochs = main_validation_loss(roled, next(one for one in roled if one.series is KERAS[1]))
    assert epochs is not None
    assert epochs.series.tag == "epoch_loss"


def test_training_loss_of_epochs_is_paired_with_a_validation_loss_of_epochs() -> None:
    """Where validation was logged by epochs only, it is compared with the training loss by epochs."""
    roled = assign(KERAS[:3], ReadOptions())
    training = main_training_loss(roled)
    validation = main_validation_loss(roled, training)
    paired = paired_training_loss(roled, training, validation)
    assert paired is not None
    assert (paired.series.tag, paired.series.group) == ("epoch_loss", "train")


def test_a_loss_over_another_axis_does_not_stand_for_the_run() -> None:
    """`lm loss vs samples` is `lm loss` once more."""
    roled = assign([series("lm loss vs samples", "", 90_000, 101), series("lm loss", "", 1000, 100)], ReadOptions())
    found = main(roled, "training-loss")
    assert found is not None
    assert found.series.tag == "lm loss"
