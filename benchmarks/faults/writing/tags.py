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

BY_LAYER: Mapping[str, Mapping[str, str]] = {
    "slash": {
        "gradient_norm": "grad_norm/{}", "weight_norm": "weight_norm/{}", "update_ratio": "update_ratio/{}",
        "activation_zeros": "activations/{}/zero_fraction", "activation_mean": "activations/{}/mean",
        "activation_std": "activations/{}/std", "weights": "weights/{}", "gradients": "gradients/{}",
    },
    "bare": {
        "gradient_norm": "grad_norm/{}", "weight_norm": "param_norm/{}", "update_ratio": "update_to_weight/{}",
        "activation_zeros": "dead_frac/{}", "activation_mean": "act_mean/{}", "activation_std": "act_std/{}",
        "weights": "{}", "gradients": "{}.grad",
    },
    "lightning": {
        "gradient_norm": "grad_2.0_norm/net.{}", "weight_norm": "weight_norm/net.{}", "update_ratio": "update_ratio/net.{}",
        "activation_zeros": "act_zeros/net.{}", "activation_mean": "act_mean/net.{}", "activation_std": "act_std/net.{}",
        "weights": "net.{}", "gradients": "net.{}_grad",
    },
    "capital": {
        "gradient_norm": "Gradient_norm/{}", "weight_norm": "Weight_norm/{}", "update_ratio": "Update_ratio/{}",
        "activation_zeros": "Activation_sparsity/{}", "activation_mean": "Activation_mean/{}", "activation_std": "Activation_std/{}",
        "weights": "Weights/{}", "gradients": "Gradients/{}",
    },
    "hugging-face": {
        "gradient_norm": "train/grad_norm/{}", "weight_norm": "train/weight_norm/{}", "update_ratio": "train/update_ratio/{}",
        "activation_zeros": "train/activation_zeros/{}", "activation_mean": "train/activation_mean/{}",
        "activation_std": "train/activation_std/{}", "weights": "parameters/{}", "gradients": "gradients/{}",
    },
}  # fmt: skip
"""Style -> kind of a role of one layer (`kind@layer`, `watching.py`) -> tag, with the layer in the place of the braces."""


def tag_of(style: str, role: str) -> str:
    """The tag of a role. Tasks with tags of their own (`rollout/ep_rew_mean`) name roles with a slash, which stand as they are."""
    if "/" in role:
        return role
    if "@" in role:
        kind, layer = role.split("@", maxsplit=1)
        return BY_LAYER[style][kind].format(layer)
    return TAGS[style].get(role, PREFIXES[style] + role)
