"""How an optimizer's last update of one parameter follows from its state: the published rule of each algorithm, as a plan.

ratio: rate * (c1 m + c3 s) / (sqrt(c2 v) + eps). Adam (Kingma and Ba, 1412.6980), AdamW (1711.05101), AMSGrad (1904.09237), RAdam
(1908.03265), NAdam (Dozat 2016), Prodigy (2306.06101), D-Adaptation (2301.07733), AdEMAMix (2409.03137), LAMB (1904.00962).
straight: rate * m. SGD with momentum, RMSprop with momentum, Adafactor (1804.04235) with a first moment.
sign: rate * sign(m). Lion (2302.06675).
quotient: rate * c1 m / u. Adamax (1412.6980, section 7).
sized: sign(last gradient) * step size. Rprop (Riedmiller and Braun 1993).
none: the last gradient is needed and not kept. RMSprop, Adagrad, Adadelta, ASGD, Adafactor, Sophia (2305.14342), Muon.

Where no update can be rebuilt there may be a line that it cannot pass (`limit`). Weight decay is left out of the update: coupled decay
is within the moments, decoupled decay is no update by the gradient and has a number of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from postmortem.measure.packed import stored_as, unpacked_slots
from postmortem.model import Checkpoint, Optimizer, Tensor

Rule: TypeAlias = Literal["ratio", "straight", "sign", "quotient", "sized", "none"]
Settings: TypeAlias = Mapping[str, object]

_LARGEST_SETTING = 1e18
"""A setting beyond this is none that anybody trained with, and its powers overflow."""
_LARGEST_SINGULAR_VALUE = 1.21
"""Upper end of what Muon's five iterations make of singular values (with the usual coefficients; Jordan 2024)."""


@dataclass(frozen=True, slots=True, eq=False)
class UpdatePlan:
    """How one parameter's last update is rebuilt."""

    algorithm: str
    basis: str
    step: int | None
    lr: float
    rule: Rule
    rate: float
    """What the rule's update is multiplied by: the learning rate, and whatever the algorithm multiplies it by."""
    shape: tuple[int, ...]
    first: Tensor | None = None
    """First moment, or momentum buffer, or last gradient."""
    second: Tensor | None = None
    """Second moment; None where the squared buffer stands for it."""
    bound: Tensor | None = None
    """Running maximum of the second moment (amsgrad)."""
    slow: Tensor | None = None
    """A second, slower first moment (AdEMAMix)."""
    first_scale: float = 1.0
    """1 / (1 - beta1^t)."""
    second_scale: float = 1.0
    """1 / (1 - beta2^t)."""
    slow_scale: float = 0.0
    epsilon: float = 0.0
    gradient_scale: float = 1.0
    """Mean of the second moments times this is the mean square of gradients; NaN where they tell nothing of it."""
    decay: float = 0.0
    """Share of the weights that decoupled decay takes off in a step."""
    limit: float = math.nan
    """No update is longer than this times the square root of the elements that have a second moment (or buffer)."""
    limit_floor: float | None = None
    """Where given, `limit` is in units of the weights' rms, and of no less than this."""
    slack: float = 0.0
    """By how much of itself the update's norm may be off, because the last gradient is not kept."""
    trust: bool = False
    """The update is made as long as the weights are, times `rate` (LAMB)."""
    scaled_ratio: bool = False
    """The first moment holds the learning rate, so that its ratio to the second is no signal-to-noise ratio."""
    state_dtype: str = ""


def _number(settings: Settings, key: str, default: float) -> float:
    value = settings.get(key)
    return float(value) if isinstance(value, (int, float)) and abs(value) < _LARGEST_SETTING else default


def _betas(settings: Settings) -> tuple[float, ...]:
    value = settings.get("betas")
    if isinstance(value, tuple) and len(value) >= 2 and all(isinstance(beta, (int, float)) for beta in value):
        return tuple(float(beta) for beta in value)
    return 0.9, 0.999


def _unbias(beta: float, step: int | None) -> float:
    """1 / (1 - beta^t); 1 where the step is not known, or beta is no share."""
    if step is None or step < 1 or not 0.0 <= beta < 1.0:
        return 1.0
    left = 1.0 - beta**step
    return 1.0 / left if left > 0 else 1.0


def plan_update(checkpoint: Checkpoint, name: str) -> UpdatePlan | None:
    """How to rebuild the last update of one parameter of a checkpoint; None where no optimizer of it holds its state."""
    shape = checkpoint.tensors[name].shape
    for optimizer in checkpoint.optimizers:
        if name in optimizer.slots:
            return _plan(optimizer, name, shape)
    return None


def _plan(optimizer: Optimizer, name: str, shape: tuple[int, ...]) -> UpdatePlan | None:
    """How to rebuild the update of one parameter; None where the state holds nothing of its shape."""
    stored = optimizer.slots.get(name, {})
    slots = unpacked_slots(stored, optimizer.algorithm, shape)
    group = optimizer.group_of.get(name)
    settings: Settings = optimizer.groups[group] if group is not None and group < len(optimizer.groups) else {}
    step = optimizer.steps.get(name)
    if step is None:  # apex and timm count once a group
        counted = settings.get("step")
        step = counted if isinstance(counted, int) and not isinstance(counted, bool) else None
    lr = _number(settings, "lr", math.nan)
    plan = UpdatePlan(optimizer.algorithm, "", step, lr, "none", lr, shape, state_dtype=stored_as(stored))
    found = _by_algorithm(plan, slots, stored, settings)
    if found is None:
        return None
    if found.state_dtype == "8-bit":
        found = replace(found, basis=f"{found.basis}, from moments of 8 bits")
    # bitsandbytes decays its Adam's and Lion's weights apart from the moments, and those of its other optimizers within.
    return replace(found, decay=_decay(optimizer.algorithm, settings, lr))


def _decay(algorithm: str, settings: Settings, lr: float) -> float:
    """Share of the weights that one step of decoupled decay takes off; 0 where decay works through the moments."""
    always = algorithm in ("adamw", "lion", "muon", "adafactor", "ademamix", "sophia")
    told = settings.get("decoupled_weight_decay") is True or settings.get("decouple") is True
    if not (always or told) or not math.isfinite(lr):
        return 0.0
    scale = _number(settings, "d", 1.0) if algorithm in ("prodigy", "dadapt-adam") else 1.0
    return lr * scale * _number(settings, "weight_decay", 0.0)


def _by_algorithm(plan: UpdatePlan, slots: Mapping[str, Tensor], stored: Mapping[str, Tensor], settings: Settings) -> UpdatePlan | None:
    if plan.algorithm == "rprop":
        if "prev" not in slots or "step_size" not in slots:
            return None
        return replace(
            plan,
            basis="sign of the last gradient * step size",
            rule="sized",
            first=slots["prev"],
            second=slots["step_size"],
            gradient_scale=math.nan,
        )
    if plan.algorithm == "adafactor":
        return _adafactor(plan, slots, settings)
    if plan.algorithm == "adamax" and "exp_avg" in slots and "exp_inf" in slots:
        beta = _betas(settings)[0]
        return replace(
            plan,
            basis="lr * m_hat / largest gradient",
            rule="quotient",
            first=slots["exp_avg"],
            second=slots["exp_inf"],
            first_scale=_unbias(beta, plan.step),
            gradient_scale=math.nan,
        )
    if "exp_avg" in slots and "exp_avg_sq" in slots:
        return _two_moments(plan, slots, stored, settings)
    if "exp_avg" in slots:
        return _one_moment(plan, slots, settings)
    if "square_avg" in slots:
        return _square_average(plan, slots, settings)
    if "sum" in slots:
        decayed = plan.lr / (1.0 + max((plan.step or 1) - 1, 0) * max(0.0, _number(settings, "lr_decay", 0.0)))
        scale = 1.0 / plan.step if plan.step else 1.0
        basis = "the last gradient is not kept; no element moves by more than the decayed learning rate"
        return replace(plan, basis=basis, rate=decayed, second=slots["sum"], gradient_scale=scale, limit=decayed)
    if "momentum_buffer" in slots:
        return _buffer(plan, slots["momentum_buffer"], settings)
    return None


# --- Adam and its kin -------------------------------------------------------------------------------------------------


def _two_moments(plan: UpdatePlan, slots: Mapping[str, Tensor], stored: Mapping[str, Tensor], settings: Settings) -> UpdatePlan:
    betas = _betas(settings)
    first_scale, second_scale = _unbias(betas[0], plan.step), _unbias(betas[1], plan.step)
    epsilon = _number(settings, "eps", 1e-8)
    unknown = "" if plan.step is not None else ", without bias correction: the step is unknown"
    if settings.get("bias_correction") is False or settings.get("correct_bias") is False:
        first_scale = second_scale = 1.0
    elif "correct_bias" in settings:  # transformers' AdamW adds epsilon before the correction
        epsilon *= math.sqrt(second_scale)
    plan = replace(
        plan,
        basis=f"lr * m_hat / (sqrt(v_hat) + eps){unknown}",
        rule="ratio",
        first=slots["exp_avg"],
        second=slots["exp_avg_sq"],
        bound=slots.get("max_exp_avg_sq"),
        first_scale=first_scale,
        second_scale=second_scale,
        epsilon=epsilon,
        gradient_scale=second_scale,
    )
    if plan.algorithm in ("adam", "adamw"):
        return plan
    if plan.algorithm == "radam":
        return _radam(plan, betas)
    if plan.algorithm == "nadam":
        return _nadam(plan, betas, stored, settings)
    if plan.algorithm == "ademamix" and "exp_avg_slow" in slots:
        return _ademamix(plan, slots["exp_avg_slow"], settings)
    if plan.algorithm in ("prodigy", "dadapt-adam"):
        return _adapted(plan, betas, settings)
    if plan.algorithm == "lamb":
        # With decay the weights are part of what is made as long as the weights; timm's LAMB leaves tensors without decay to Adam.
        if _number(settings, "weight_decay", 0.0) == 0 and settings.get("always_adapt") is not True:
            return replace(plan, basis=f"{plan.basis}, LAMB of a tensor without decay")
        return replace(plan, basis="lr * norm of the weights, decay included (LAMB)", trust=True)
    return replace(plan, basis="two moments of an optimizer that steps in its own way", rule="none", bound=None)


def _radam(plan: UpdatePlan, betas: tuple[float, ...]) -> UpdatePlan:
    """Liu et al., algorithm 2: a rectified ratio from about the sixth step on, before that the first moment alone."""
    if plan.step is None or plan.step < 1 or not 0.0 < betas[1] < 1.0:
        return replace(plan, basis="RAdam's rectification needs the step, which is unknown", rule="none")
    decayed = betas[1] ** plan.step
    longest = 2.0 / (1.0 - betas[1]) - 1.0
    length = longest - 2.0 * plan.step * decayed / (1.0 - decayed)
    if length <= 5.0:
        return replace(plan, basis="lr * m_hat, not rectified yet", rule="straight", rate=plan.lr * plan.first_scale)
    rectified = math.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
    # Torch adds epsilon before the correction of the second moment.
    epsilon = plan.epsilon * math.sqrt(plan.second_scale)
    return replace(plan, basis="lr * rectification * m_hat / (sqrt(v_hat) + eps)", rate=plan.lr * rectified, epsilon=epsilon)


def lookahead_slack(share: float, momentum: float) -> float:
    """By how much of itself an update is longer than its moment tells, where a `share` of it is the last gradient, which is not kept.

    Of gradients that agree the moment is the gradient, and nothing is off. Of gradients g that are pure noise, the moment
    m = u m' + (1 - u) g has the variance (1 - u) / (1 + u) of theirs and the covariance (1 - u) with the last one.
    """
    if not (0.0 < momentum < 1.0 and 0.0 <= share <= 1.0):
        return 0.0
    of_moment = (1.0 - momentum) / (1.0 + momentum)
    made = share**2 + 2.0 * share * (1.0 - share) * (1.0 - momentum) + (1.0 - share) ** 2 * of_moment
    return math.sqrt(made / of_moment) - 1.0


def _nadam(plan: UpdatePlan, betas: tuple[float, ...], stored: Mapping[str, Tensor], settings: Settings) -> UpdatePlan:
    """Dozat: lr * ((1 - u_t) / (1 - U_t) g + u_(t+1) / (1 - U_(t+1)) m) / (sqrt(v_hat) + eps); for g, which is not kept, m_hat stands."""
    product = stored.get("mu_product")
    if plan.step is None or product is None or math.prod(product.shape) != 1:
        return replace(plan, basis="NAdam needs its step and its product of momenta", rule="none")
    decay = max(0.0, _number(settings, "momentum_decay", 0.004))
    now, following = (betas[0] * (1.0 - 0.5 * 0.96 ** ((plan.step + ahead) * decay)) for ahead in (0, 1))
    done = float(product.read(0, 1)[0])
    if not 0.0 <= done < 1.0 or not 0.0 < betas[0] < 1.0:
        return replace(plan, basis="NAdam's product of momenta is no share", rule="none")
    of_gradient, of_moment = (1.0 - now) / (1.0 - done), following / (1.0 - done * following) / plan.first_scale
    slack = lookahead_slack(of_gradient / (of_gradient + of_moment), betas[0])
    return replace(
        plan,
        basis=f"NAdam with m_hat in place of the last gradient, which is not kept: up to {slack:.0%} more if gradients are noise",
        rate=plan.lr * (of_gradient + of_moment),
        slack=slack,
    )


def _ademamix(plan: UpdatePlan, slow: Tensor, settings: Settings) -> UpdatePlan:
    """Pagliardini et al., algorithm 1; the slow moment's weight grows in a line while it warms up."""
    weight = _number(settings, "alpha", 5.0)
    warmup = _number(settings, "alpha_warmup", _number(settings, "t_alpha", 0.0))
    if warmup > 0:
        if plan.step is None:
            return replace(plan, basis="AdEMAMix warms up by its step, which is unknown", rule="none")
        weight *= min(1.0, plan.step / warmup)
    return replace(plan, basis="lr * (m_hat + alpha * slow m) / (sqrt(v_hat) + eps)", slow=slow, slow_scale=weight)


def _adapted(plan: UpdatePlan, betas: tuple[float, ...], settings: Settings) -> UpdatePlan:
    """Prodigy and D-Adaptation: moments are not corrected for bias and hold the estimated distance d."""
    distance = _number(settings, "d", math.nan)
    if plan.algorithm == "dadapt-adam":
        return replace(
            plan, basis="m / (sqrt(v) + eps), m holding the learning rate", rate=1.0, first_scale=1.0, scaled_ratio=True, second_scale=1.0
        )
    if not distance > 0:
        return replace(plan, basis="Prodigy's distance is not kept", rule="none")
    rate = distance * plan.lr
    if settings.get("use_bias_correction") is True:
        rate *= plan.first_scale / math.sqrt(plan.second_scale)
    return replace(
        plan,
        basis="d * lr * m / (sqrt(v) + d * eps)",
        rate=rate,
        first_scale=1.0,
        second_scale=1.0,
        epsilon=plan.epsilon * distance,
        gradient_scale=plan.gradient_scale / distance / distance,
    )


def _one_moment(plan: UpdatePlan, slots: Mapping[str, Tensor], settings: Settings) -> UpdatePlan:
    first = slots["exp_avg"]
    if plan.algorithm == "lion":
        # Every element moves by the learning rate; the sign of the moment stands for that of the moment before and the last gradient.
        scale = (1.0 - _betas(settings)[1]) ** 2
        return replace(plan, basis="lr for every element with a moment", rule="sign", first=first, gradient_scale=scale)
    scale = (1.0 - _betas(settings)[0]) ** 2
    if plan.algorithm == "sophia":
        basis = "the batch size that scales the curvature is not kept; no element moves by more than the learning rate"
        return replace(plan, basis=basis, first=first, limit=plan.lr, gradient_scale=scale)
    return replace(plan, basis="one moment of an optimizer that steps in its own way", first=first, gradient_scale=scale)


def _adafactor(plan: UpdatePlan, slots: Mapping[str, Tensor], settings: Settings) -> UpdatePlan | None:
    second = slots.get("variance")
    if "exp_avg" in slots:
        return replace(
            plan, basis="the first moment, which holds the learning rate", rule="straight", rate=1.0, first=slots["exp_avg"], second=second
        )
    if second is None:
        return None
    eps = settings.get("eps")
    floor = float(eps[1]) if isinstance(eps, tuple) and len(eps) == 2 and isinstance(eps[1], (int, float)) else 1e-3
    torch_own = "beta2_decay" in settings or "d" in settings
    clip = _number(settings, "d" if torch_own else "clip_threshold", 1.0)
    step = max(1, plan.step or 1)
    if torch_own:
        rate, scaled = min(plan.lr, 1.0 / math.sqrt(step)), True
    else:
        rate, scaled = plan.lr, settings.get("scale_parameter") is not False
        if settings.get("relative_step") is True:
            longest = 1e-6 * step if settings.get("warmup_init") is True else 1e-2
            rate = min(longest, 1.0 / math.sqrt(step)) if plan.step is not None else math.nan
    basis = "the last gradient is not kept; updates are clipped to an rms of the rate"
    return replace(plan, basis=basis, lr=rate, second=second, limit=rate * clip, limit_floor=floor if scaled else None)


# --- the others -------------------------------------------------------------------------------------------------------


def _square_average(plan: UpdatePlan, slots: Mapping[str, Tensor], settings: Settings) -> UpdatePlan:
    second = slots["square_avg"]
    if plan.algorithm == "adadelta":
        return replace(plan, basis="the last gradient is not kept", second=second)
    betas = settings.get("betas")
    alpha = float(betas[0]) if isinstance(betas, tuple) and betas else _number(settings, "alpha", 0.99)
    scale = _unbias(alpha, plan.step)
    plan = replace(plan, second=second, second_scale=scale, gradient_scale=scale)
    if "momentum_buffer" in slots:
        held = settings.get("lr_in_momentum") is True
        basis = "momentum buffer, which holds the learning rate" if held else "lr * momentum buffer"
        return replace(plan, basis=basis, rule="straight", first=slots["momentum_buffer"], rate=1.0 if held else plan.lr)
    basis = "the last gradient is not kept"
    if 0 <= alpha < 1 and settings.get("centered") is not True:
        return replace(plan, basis=f"{basis}; it is part of the average, which limits the update", limit=plan.lr / math.sqrt(1.0 - alpha))
    return replace(plan, basis=basis)


def _buffer(plan: UpdatePlan, buffer: Tensor, settings: Settings) -> UpdatePlan:
    betas = settings.get("betas")  # bitsandbytes keeps SGD's momentum there
    momentum = float(betas[0]) if isinstance(betas, tuple) and betas else _number(settings, "momentum", 0.9)
    # A gradient that is always the same fills the buffer up to (1 - dampening) / (1 - momentum) of itself.
    taken = 1.0 - _number(settings, "dampening", 0.0)
    plan = replace(plan, first=buffer, gradient_scale=((1.0 - momentum) / taken) ** 2 if 0.0 < taken <= 1.0 else math.nan)
    if plan.algorithm == "muon":
        return _muon(replace(plan, gradient_scale=1.0), settings)
    if plan.algorithm != "sgd":
        return replace(plan, basis="momentum of an optimizer that steps in its own way")
    if settings.get("nesterov") is True:
        slack = lookahead_slack(1.0 - momentum, momentum)
        basis = (
            f"lr * momentum buffer (Nesterov adds the last gradient, which is not kept: up to {slack:.0%} more where gradients are noise)"
        )
        return replace(plan, basis=basis, rule="straight", slack=slack)
    return replace(plan, basis="lr * momentum buffer", rule="straight")


def _muon(plan: UpdatePlan, settings: Settings) -> UpdatePlan:
    """Jordan 2024: the buffer with all singular values brought near 1, times a rate that depends on the shape."""
    basis = "the update is the buffer made orthogonal, which takes all of it at once; its singular values are near 1"
    if len(plan.shape) != 2 or 0 in plan.shape:
        return replace(plan, basis=basis)
    height, width = plan.shape
    how = settings.get("adjust_lr_fn")
    factor = 0.2 * math.sqrt(max(plan.shape)) if how == "match_rms_adamw" else math.sqrt(max(1.0, height / width))
    return replace(plan, basis=basis, limit=plan.lr * factor * _LARGEST_SINGULAR_VALUE / math.sqrt(max(plan.shape)))
