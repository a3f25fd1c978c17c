"""The loss of each kind of task, as it should be."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from faults.nouns import Data, Kind, Losses, LossFunction
from faults.plan import Plan


def _answers(model: nn.Module, inputs: Tensor) -> Tensor:
    """What the model says, in float32; floating inputs come in the dtype of its weights."""
    dtype = next(model.parameters()).dtype
    answers: Tensor = model(inputs.to(dtype) if inputs.is_floating_point() else inputs)
    return answers.float()


def classification(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Mean cross-entropy of logits of shape (records, ..., classes)."""
    logits = _answers(model, inputs).flatten(0, -2)
    labels = targets.flatten()
    loss = nn.functional.cross_entropy(logits, labels, weight=data.weights, label_smoothing=plan.label_smoothing)
    return Losses(loss, accuracy=float((logits.argmax(dim=-1) == labels).float().mean()))


def regression(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Mean squared error of one number a record."""
    return Losses(nn.functional.mse_loss(_answers(model, inputs)[:, 0], targets))


def likelihood(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Mean negative log-likelihood of a Gaussian whose mean and log-variance are the two answers; below 0 where it is sharp."""
    mean, log_variance = _answers(model, inputs).unbind(dim=1)
    terms = log_variance + (targets - mean).square() * torch.exp(-log_variance) + math.log(2 * math.pi)
    return Losses(0.5 * terms.mean())


def reconstruction(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Mean squared error between records and what an autoencoder makes of them."""
    return Losses(nn.functional.mse_loss(_answers(model, inputs).flatten(1), inputs.float().flatten(1)))


def variational(model: nn.Module, inputs: Tensor, targets: Tensor, data: Data, plan: Plan) -> Losses:
    """Negative evidence bound of a variational autoencoder that returns (records, pixels + 2 * latent) numbers, a record's sum."""
    pixels = inputs.flatten(1).shape[1]
    answers = _answers(model, inputs)
    latent = (answers.shape[1] - pixels) // 2
    made, mean, log_variance = answers.split((pixels, latent, latent), dim=1)
    error = 0.5 * (made - inputs.float().flatten(1)).square().sum(dim=1).mean()
    divergence = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
    return Losses(error + divergence, {"reconstruction": error, "kl": divergence})


LOSSES: dict[Kind, LossFunction] = {
    "classification": classification,
    "language": classification,
    "regression": regression,
    "likelihood": likelihood,
    "reconstruction": reconstruction,
    "variational": variational,
}
