"""Inputs that reach the network off centre or off scale: the scaling step was forgotten, done twice, or done for some columns only.

Inputs are changed on their way into the network, wherever it is used, so that a score never comes from inputs that it was not trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from faults.nouns import Data, Fault, Trained
from faults.plan import Plan
from faults.reach import seen_through

_NOT_FOR = frozenset({"text", "batchnorm", "pretrained", "adversarial", "policy", "variational"})
_TABLE = frozenset({"table"})
Change = Callable[[Tensor], Tensor]


def _as_pixels(data: Data) -> Change:
    """Numbers of 0 to 255, as image files hold them."""
    low, high = float(data.inputs.min()), float(data.inputs.max())
    return lambda inputs: (inputs - low) / (high - low) * 255.0


def _raw_columns(data: Data) -> Change:
    """Columns in units of their own: some of thousandths, some of thousands, none centred."""
    drawn = torch.Generator().manual_seed(len(data.inputs))
    shape = data.inputs.shape[1:]
    scale = 10.0 ** (torch.rand(shape, generator=drawn) * 4.5 - 2.0)
    offset = scale * (1.0 + 5.0 * torch.rand(shape, generator=drawn))
    return lambda inputs: inputs * scale + offset


def _some_columns(data: Data) -> Change:
    """One column in ten as it came, in hundreds, among columns that were scaled."""
    shape = data.inputs.shape[1:]
    scale, offset = torch.ones(shape), torch.zeros(shape)
    scale[..., ::10] = 300.0
    offset[..., ::10] = 800.0
    return lambda inputs: inputs * scale + offset


def _into(change: Callable[[Data], Change]) -> Callable[[nn.Module, Data, Plan], nn.Module]:
    return lambda model, data, plan: seen_through(model, change(data))


def _manifest(change: Callable[[Data], Change]) -> Callable[[Trained], Trained]:
    """A table's manifest lists its columns as they came, which is how the network saw them."""

    def listed(trained: Trained) -> Trained:
        data = trained.data
        return replace(trained, data=replace(data, inputs=change(data)(data.inputs))) if data.columns else trained

    return listed


def _sgd(plan: Plan) -> Plan:
    return replace(plan, optimizer="sgd", lr=0.02, momentum=0.9)


def _rmsprop(plan: Plan) -> Plan:
    return replace(plan, optimizer="rmsprop", lr=1e-3)


def _shift(by: float, times: float) -> Callable[[Data], Change]:
    return lambda data: lambda inputs: inputs * times + by


FAULTS = (
    Fault(
        "pixels-0-255", "blatant", "Inputs reach the network as numbers of 0 to 255.",
        model=_into(_as_pixels), trained=_manifest(_as_pixels), spares=_NOT_FOR | _TABLE,
    ),
    Fault(
        "raw-table", "clear", "Columns of a table reach the network in units of their own, from thousandths to thousands.",
        model=_into(_raw_columns), trained=_manifest(_raw_columns), wants=_TABLE, spares=frozenset({"negative"}),
    ),
    Fault(
        "offset-60", "clear", "Inputs are not centred: their mean is 60 standard deviations.",
        model=_into(_shift(60.0, 1.0)), trained=_manifest(_shift(60.0, 1.0)), spares=_NOT_FOR,
    ),
    Fault(
        "some-columns-raw", "clear", "One input in ten was left out of the scaling.",
        model=_into(_some_columns), trained=_manifest(_some_columns), spares=_NOT_FOR | {"convolutional", "negative"},
    ),
    Fault(
        "sgd-pixels", "blatant", "Inputs of 0 to 255, SGD with momentum.", base=_sgd,
        model=_into(_as_pixels), trained=_manifest(_as_pixels), spares=_NOT_FOR | _TABLE | {"deep", "saturating", "autoencoder"},
    ),
    Fault(
        "rmsprop-times-400", "subtle", "Inputs are 400 times unit scale, as grams beside kilograms; RMSProp.", base=_rmsprop,
        model=_into(_shift(0.0, 400.0)), trained=_manifest(_shift(0.0, 400.0)), spares=_NOT_FOR | {"autoencoder"},
    ),
    Fault(
        "sgd-divided-twice", "subtle", "Inputs were divided by 255 twice, their deviation is about 0.004; SGD with momentum.", base=_sgd,
        model=_into(_shift(0.0, 1 / 255.0)), trained=_manifest(_shift(0.0, 1 / 255.0)), spares=_NOT_FOR,
    ),
)  # fmt: skip
