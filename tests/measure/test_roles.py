"""Roles of tags, as real event files name them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postmortem.measure.roles import NAMED, ROLES, assign, main, main_training_loss, main_validation_loss
from postmortem.measure.tags import split_of, words
from postmortem.model import ReadOptions, Series


def drawn(tag: str, points: int = 20, group: str = "") -> Series:
    """One drawn series."""
    return Series(tag, group, np.arange(points), np.ones(points), np.full(points, np.nan), "events")


def roles(*tags: str) -> dict[str, str]:
    """Tag -> role, all tags in one run."""
    return {one.series.tag: one.role for one in assign([drawn(tag) for tag in tags], ReadOptions())}


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("train/total_loss-iter", ("train", "total", "loss", "iter")),
        ("ValLoss", ("val", "loss")),
        ("trainloss", ("train", "loss")),
        ("Policy/Learning Rate", ("policy", "learning", "rate")),
        ("Eval_AverageReturn", ("eval", "average", "return")),
    ],
)
def test_words_split_at_signs_and_capitals(tag: str, expected: tuple[str, ...]) -> None:
    """A tag is taken apart at slashes, underscores, spaces, hyphens, dots, capitals and joined split names."""
    assert words(tag) == expected


def test_the_tag_wins_over_the_folder() -> None:
    """A split named in the tag is believed before the folder that its file lay in."""
    assert split_of(words("val_loss"), "train") == "validation"
    assert split_of(words("epoch_loss"), "validation") == "validation"
    assert split_of(words("loss"), "") == ""


@pytest.mark.parametrize(
    ("tag", "role"),
    [
        ("loss", "training-loss"),
        ("train/loss", "training-loss"),
        ("Training_Loss", "training-loss"),
        ("train_loss_step", "training-loss"),
        ("logloss", "training-loss"),
        ("reconstruction_loss", "training-loss"),
        ("val_loss", "validation-loss"),
        ("eval/loss", "validation-loss"),
        ("Loss/test", "validation-loss"),
        ("val_mse", "validation-loss"),
        ("lr", "learning-rate"),
        ("lr/pg0", "learning-rate"),
        ("lr-Adam", "learning-rate"),
        ("x/lr0", "learning-rate"),
        ("Policy/Learning Rate", "learning-rate"),
        ("train/learning_rate", "learning-rate"),
        ("grad_norm", "gradient-norm"),
        ("Gradient Norm", "gradient-norm"),
        ("Gradients/norm_post_clip", "gradient-norm"),
        ("grad_2.0_norm_total", "gradient-norm"),
        ("grad_all/fc1.weight", "other"),
        ("epoch_accuracy", "accuracy"),
        ("acc_train", "accuracy"),
        ("accuracy/top1", "accuracy"),
        ("metrics/mAP50(B)", "metric"),
        ("train/perplexity", "metric"),
        ("rollout/ep_rew_mean", "return"),
        ("Train_AverageReturn", "return"),
        ("Policy/Entropy", "entropy"),
        ("train/loss_scale", "loss-scale"),
        ("epoch", "epoch"),
        ("train/epoch", "epoch"),
        ("time/fps", "throughput"),
        ("Best_val_loss", "other"),
        ("train/total_flos", "other"),
    ],
)
def test_role_of_a_lone_tag(tag: str, role: str) -> None:
    """Each usual tag has its role."""
    assert roles(tag)[tag] == role


def test_policy_gradient_loss_is_no_gradient_norm() -> None:
    """A loss of a policy gradient is a part of a loss."""
    assert roles("train/policy_gradient_loss", "train/loss")["train/policy_gradient_loss"] == "part-of-loss"


def test_reg_loss_beside_box_losses_is_box_regression() -> None:
    """`reg_loss` is regularization, but not beside losses of classes and boxes."""
    assert roles("reg_loss", "cls_loss", "loss")["reg_loss"] == "part-of-loss"
    assert roles("reg_loss", "data_loss", "loss") == {"reg_loss": "regularization", "data_loss": "data-loss", "loss": "training-loss"}


def test_cross_entropy_is_the_data_loss_only_beside_regularization() -> None:
    """A named cross-entropy is the data's share where a total and a regularization stand beside it, and the total where it is alone."""
    assert roles("cross_entropy", "l2_loss", "total_loss")["cross_entropy"] == "data-loss"
    assert roles("cross_entropy")["cross_entropy"] == "training-loss"


def test_an_error_is_a_loss_only_without_one() -> None:
    """A mean squared error is the loss where no loss is logged, and a metric beside one."""
    assert roles("mse", "mae")["mse"] == "training-loss"
    assert roles("mse", "loss")["mse"] == "metric"


def test_a_batch_cost_is_a_time_only_beside_a_loss() -> None:
    """Seconds of a batch are called a cost by some and the loss of a batch by others: a loss beside it decides."""
    assert roles("batch_cost", "loss") == {"batch_cost": "throughput", "loss": "training-loss"}
    assert roles("batch_cost", "accuracy")["batch_cost"] == "training-loss"


def test_a_penalty_alone_is_no_loss() -> None:
    """Where no loss was logged, the penalty of an environment does not stand in for one."""
    assert roles("monitoring/vol_penalty", "reward")["monitoring/vol_penalty"] == "other"
    assert roles("penalty", "loss")["penalty"] == "regularization"


def test_adversarial_losses_are_parts() -> None:
    """Neither side of an adversarial pair is the training loss."""
    assert set(roles("Generator Loss", "Discriminator Loss").values()) == {"part-of-loss"}


def test_main_takes_steps_before_epochs() -> None:
    """Of a loss per step and a loss per epoch the longer one stands for the run."""
    roled = assign([drawn("train_loss_epoch", 10), drawn("train_loss_step", 500)], ReadOptions())
    found = main(roled, "training-loss")
    assert found is not None
    assert found.series.tag == "train_loss_step"


def test_main_prefers_a_total() -> None:
    """A total loss wins over its rival of the same length, and loses to one of more than four times its points."""
    near = main(assign([drawn("loss", 100), drawn("total_loss", 90)], ReadOptions()), "training-loss")
    far = main(assign([drawn("loss", 1000), drawn("total_loss", 90)], ReadOptions()), "training-loss")
    assert near is not None
    assert near.series.tag == "total_loss"
    assert far is not None
    assert far.series.tag == "loss"


def test_the_users_tags_win() -> None:
    """What --loss-tag and --reg-tag name has that role whatever its words, and stands for the run."""
    roled = assign([drawn("loss", 500), drawn("energy", 20), drawn("weird", 20)], ReadOptions(loss_tag="energy", reg_tag="weird"))
    found = main(roled, "training-loss")
    assert found is not None
    assert (found.series.tag, found.why) == ("energy", NAMED)
    assert [one.role for one in roled] == ["training-loss", "training-loss", "regularization"]


def test_test_split_stands_in_for_validation() -> None:
    """Where only a test loss was logged, it is the validation loss."""
    found = main(assign([drawn("Loss/train"), drawn("Loss/test")], ReadOptions()), "validation-loss", "validation")
    assert found is not None
    assert found.series.tag == "Loss/test"


def test_parts_stand_in_where_no_total_was_logged() -> None:
    """Without a total the longest part stands for the loss, and the same part on validation data beside it."""
    tags = ("train/box_loss", "train/cls_loss", "val/box_loss", "val/cls_loss")
    roled = assign([drawn(tag, 50 if tag == "train/cls_loss" else 20) for tag in tags], ReadOptions())
    training = main_training_loss(roled)
    validation = main_validation_loss(roled, training)
    assert training is not None
    assert training.series.tag == "train/cls_loss"
    assert validation is not None
    assert validation.series.tag == "val/cls_loss"


def test_groups_tell_equal_tags_apart() -> None:
    """Keras writes one tag into two folders: the folder says which is which."""
    roled = assign([drawn("epoch_loss", group="train"), drawn("epoch_loss", group="validation")], ReadOptions())
    assert [one.role for one in roled] == ["training-loss", "validation-loss"]


@given(st.lists(st.text(max_size=30), max_size=6, unique=True), st.integers(0, 12))
@settings(max_examples=40, deadline=None)
def test_any_tags_have_roles(tags: list[str], points: int) -> None:
    """Whatever a tag is made of (other scripts, signs alone, nothing), each series gets one of the known roles and a reason."""
    for one in assign([drawn(tag, points) for tag in tags], ReadOptions()):
        assert one.role in ROLES
        assert one.why


def test_no_series_no_roles() -> None:
    """An empty run has no roles and no main series."""
    assert assign([], ReadOptions()) == ()
    assert main_training_loss([]) is None


def test_norms_of_one_folder_are_of_layers() -> None:
    """Three and more gradient norms side by side are those of layers, whatever these are called; a total among them is the total."""
    found = roles("grad_norm/act1", "grad_norm/stem", "grad_norm/log_std", "grad_norm/total", "loss")
    assert [found[f"grad_norm/{name}"] for name in ("act1", "stem", "log_std", "total")] == ["other", "other", "other", "gradient-norm"]
    assert roles("grad_norm/train", "grad_norm/clipped", "loss")["grad_norm/train"] == "gradient-norm"


def test_counts_beside_means_are_no_losses() -> None:
    """Statistics that are logged as `num`, `mean` and `std` have one curve, their mean."""
    found = roles("Loss/D/loss/num", "Loss/D/loss/mean", "Loss/D/loss/std", "Loss/G/loss/num", "Loss/G/loss/mean")
    assert found["Loss/D/loss/num"] == found["Loss/D/loss/std"] == found["Loss/G/loss/num"] == "other"


def test_metrics_of_an_evaluation_lie_on_its_side() -> None:
    """Beside a validation loss mIoU, mAcc and PCK are of that evaluation; an accuracy that does not say so may be of training."""
    tags = ("TrainLoss", "ValLoss", "mIoU", "mAcc", "PCK@0.5", "accuracy", "train_mAcc")
    found = {one.series.tag: one.split for one in assign([drawn(tag) for tag in tags], ReadOptions())}
    assert {tag for tag, split in found.items() if split == "validation"} == {"ValLoss", "mIoU", "mAcc", "PCK@0.5"}
    assert found["accuracy"] == "" and found["train_mAcc"] == "train"
    alone = assign([drawn("loss"), drawn("mAcc")], ReadOptions())
    assert [one.split for one in alone] == ["", ""]
    named = assign([drawn(tag, group="train") for tag in ("TrainLoss", "ValLoss", "mAcc")], ReadOptions())
    assert named[-1].split == "validation"
    folders = assign(
        [drawn("epoch_loss", group=group) for group in ("train", "validation")] + [drawn("mAcc", group="train")], ReadOptions()
    )
    assert folders[-1].split == "train"


@pytest.mark.parametrize("tag", ["fast_rcnn/cls_accuracy", "fast_rcnn/fg_cls_accuracy", "mask_rcnn/accuracy", "acc"])
def test_a_share_of_proposals_is_no_accuracy_of_the_task(tag: str) -> None:
    """It falls while the proposals get better, so that nothing may be said of it beside the loss."""
    roled = assign([drawn("loss_rpn_cls"), drawn("loss_cls"), drawn("total_loss"), drawn(tag)], ReadOptions())
    assert roled[-1].role == "metric"
    assert main(roled, "accuracy", "train") is None
