"""What trainers call their scalars."""

from __future__ import annotations

from collections.abc import Mapping

TAGS: Mapping[str, Mapping[str, str]] = {
    "slash": {
        "loss": "train/loss", "data_loss": "train/data_loss", "validation_loss": "val/loss", "accuracy": "train/accuracy",
        "validation_accuracy": "val/accuracy", "lr": "train/lr", "gradient_norm": "train/grad_norm", "penalty": "train/l2_loss",
    },
    "bare": {
        "loss": "loss", "data_loss": "data_loss", "validation_loss": "val_loss", "accuracy": "accuracy",
        "validation_accuracy": "val_accuracy", "lr": "learning_rate", "gradient_norm": "grad_norm", "penalty": "reg_loss",
    },
    "lightning": {
        "loss": "train_loss_step", "data_loss": "train_data_loss", "validation_loss": "val_loss", "accuracy": "train_acc",
        "validation_accuracy": "val_acc", "lr": "lr-Adam", "gradient_norm": "grad_2.0_norm_total", "penalty": "train_reg_loss",
    },
    "capital": {
        "loss": "Loss/train", "data_loss": "Loss/data", "validation_loss": "Loss/val", "accuracy": "Accuracy/train",
        "validation_accuracy": "Accuracy/val", "lr": "Learning_rate", "gradient_norm": "Gradient/norm", "penalty": "Loss/regularization",
    },
    "hugging-face": {
        "loss": "train/loss", "data_loss": "train/data_loss", "validation_loss": "eval/loss", "accuracy": "train/accuracy",
        "validation_accuracy": "eval/accuracy", "lr": "train/learning_rate", "gradient_norm": "train/grad_norm", "penalty": "train/penalty",
    },
}  # fmt: skip
"""Style -> role -> tag. A role that is not listed is logged under its own name, with the style's prefix."""

PREFIXES: Mapping[str, str] = {"slash": "train/", "bare": "", "lightning": "train_", "capital": "Train/", "hugging-face": "train/"}


def tag_of(style: str, role: str) -> str:
    """The tag of a role. Tasks with tags of their own (`rollout/ep_rew_mean`) name roles with a slash, which stand as they are."""
    if "/" in role:
        return role
    return TAGS[style].get(role, PREFIXES[style] + role)
