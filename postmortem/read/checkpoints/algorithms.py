"""Which algorithm an optimizer's state belongs to: read off the slots that it keeps and the settings of its groups.

Torch saves no class name. Relatives of Adam keep the same two moments and step otherwise, so that a name is given only where slots or
settings leave one algorithm; everything else is `unknown`, with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from postmortem.model import Algorithm
from postmortem.read.checkpoints.stored import Tree
from postmortem.read.words import word_set

_DEFAULT_ADAMW_DECAY = 0.01

_BY_SLOT: tuple[tuple[str, frozenset[str], Algorithm], ...] = (
    ("slot", word_set("mu_product"), "nadam"),
    ("slot", word_set("exp_inf"), "adamax"),
    ("slot", word_set("exp_avg_slow"), "ademamix"),
    ("slot", word_set("hessian"), "sophia"),
    ("slot", word_set("row_var"), "adafactor"),
    ("slot", word_set("exp_avg_sq_row"), "adafactor"),
    ("slot", word_set("acc_delta"), "adadelta"),
    ("slot", word_set("prev step_size"), "rprop"),
    ("slot", word_set("eta ax"), "asgd"),
    ("setting", word_set("momentum_decay"), "nadam"),
    ("setting", word_set("beta2_decay"), "adafactor"),
    ("setting", word_set("clip_threshold decay_rate"), "adafactor"),
    ("setting", word_set("d_coef"), "prodigy"),
    ("setting", word_set("trust_clip"), "lamb"),
    ("setting", word_set("grad_averaging max_grad_norm"), "lamb"),
    ("slot", word_set("trust_ratio"), "lamb"),
    ("setting", word_set("ns_steps"), "muon"),
    ("setting", word_set("etas step_sizes"), "rprop"),
    ("setting", word_set("lambd t0"), "asgd"),
)
"""Slots, or settings, that only one algorithm has."""

_ODD: tuple[tuple[str, str, str], ...] = (
    ("slot", "exp_avg_diff", "Adan keeps a difference of gradients and needs the last one"),
    ("slot", "exp_avg_var", "AdaBelief's second moment is that of surprises"),
    ("slot", "exp_hessian_diag_sq", "AdaHessian's second moment is that of curvatures"),
    ("slot", "unorm_vec", "its updates are scaled by a norm that is not kept (LARS or LAMB of bitsandbytes)"),
    ("slot", "z", "a schedule-free optimizer keeps an average of its own"),
    ("slot", "old_p", "SAM steps from a gradient elsewhere"),
    ("slot", "slow_buffer", "Lookahead pulls weights back now and again"),
    ("setting", "N_sma_threshhold", "Ranger or an early RAdam"),
    ("setting", "wd_ratio", "AdamP or SGDP projects its updates"),
    ("setting", "trust_coefficient", "LARS scales its updates by the weights' norm"),
    ("setting", "trust_coeff", "LARS scales its updates by the weights' norm"),
    ("setting", "eeta", "LARS scales its updates by the weights' norm"),
    ("setting", "use_muon", "Muon and Adam in one optimizer"),
    ("setting", "update_proj_gap", "GaLore keeps moments of projections"),
    ("setting", "rectify", "AdaBelief"),
)
"""One slot or setting -> whose it is, for optimizers whose last update is not rebuilt."""


@dataclass(frozen=True, slots=True)
class _Marks:
    """What an optimizer keeps, and what its groups set."""

    slots: frozenset[str]
    settings: frozenset[str]
    groups: Sequence[Mapping[str, Tree]]

    def first(self, key: str) -> Tree:
        """The first group's value of a setting; None where no group has it."""
        return next((group[key] for group in self.groups if key in group), None)


def algorithm_of(entries: Mapping[str, Mapping[str, Tree]], groups: Sequence[Mapping[str, Tree]]) -> tuple[Algorithm, str]:
    """Which algorithm, and what gave it away (or why none can be named)."""
    slots = frozenset(slot for entry in entries.values() for slot in entry)
    marks = _Marks(slots, frozenset(key for group in groups for key in group), groups)
    if any(group.get("caution") is True for group in groups):
        return "unknown", "a cautious optimizer leaves out elements against the last gradient"
    for where, word, whose in _ODD:
        if word in (slots if where == "slot" else marks.settings):
            return "unknown", whose
    if "state1" in slots:
        return _of_bitsandbytes(marks)
    for where, told, algorithm in _BY_SLOT:
        if told <= (slots if where == "slot" else marks.settings):
            return algorithm, f"{where} {', '.join(sorted(told))}"
    if "variance" in slots and "d" in marks.settings:
        return "adafactor", "slot variance"
    if "betas" in marks.settings or {"exp_avg", "exp_avg_sq"} <= slots:
        return _of_adams_kin(marks)
    return _of_the_others(marks)


def _of_bitsandbytes(marks: _Marks) -> tuple[Algorithm, str]:
    """State of bitsandbytes, whose slots bear numbers: its classes differ in their settings only. Its Adam decays like AdamW."""
    betas, eps = marks.first("betas"), marks.first("eps")
    if not isinstance(betas, tuple) or not all(isinstance(beta, (int, float)) for beta in betas):
        return "unknown", "slots of bitsandbytes without its betas"
    rates = [float(beta) for beta in betas if isinstance(beta, (int, float))]
    if len(rates) == 3:
        return "ademamix", "slots of bitsandbytes and three betas"
    if "state2" in marks.slots:
        return "adamw", "two slots of bitsandbytes, which decays weights apart from moments"
    if len(rates) == 2 and eps == 0:
        return ("lion", "one slot of bitsandbytes, two betas, no eps") if rates[1] > 0.5 else ("sgd", "one slot of bitsandbytes, one beta")
    if rates == [0.0, 0.0]:
        return "adagrad", "one slot of bitsandbytes without betas"
    return "rmsprop", "one slot of bitsandbytes, one beta, an eps"


def _of_adams_kin(marks: _Marks) -> tuple[Algorithm, str]:
    slots, settings = marks.slots, marks.settings
    own = slots - {"step"}
    if own == {"exp_avg"} and "eps" not in settings:
        return "lion", "one moment, two betas, no eps"
    if own and not {"exp_avg", "exp_avg_sq"} <= own:
        return "unknown", f"slots {', '.join(sorted(own))[:80]} are of no optimizer known here"
    if "d" in settings and "growth_rate" in settings:
        return "dadapt-adam", "settings d, growth_rate"
    if "rho" in settings:
        return "unknown", "a setting rho beside Adam's moments, as SAM and Sophia have it"
    if "amsgrad" not in settings and "decoupled_weight_decay" in settings and "capturable" in settings:
        return "radam", "Adam's moments, torch's settings, and no amsgrad"
    if "amsgrad" not in settings and "foreach" in settings:
        if own and "weight_decay" in settings:
            return "radam", "Adam's moments, torch's settings, and no amsgrad"
        return "unknown", "torch's settings without amsgrad: RAdam or Adamax"
    if own and "maximize" in settings and "weight_decay" not in settings:
        return "unknown", "SparseAdam steps only rows that had a gradient"
    decoupled, why = _is_decoupled(marks)
    return ("adamw" if decoupled else "adam"), f"{'two moments' if own else 'two betas'}; {why}"


def _is_decoupled(marks: _Marks) -> tuple[bool, str]:
    for key in ("decoupled_weight_decay", "decouple", "adam_w_mode"):
        if key in marks.settings:
            return any(group.get(key) is True or group.get(key) == 1 for group in marks.groups), key
    if "correct_bias" in marks.settings:
        return True, "correct_bias, as transformers' AdamW has it"
    # Files of older torch do not say; only the default decay, 0.01 against 0, tells AdamW from Adam.
    if any(group.get("weight_decay") == _DEFAULT_ADAMW_DECAY for group in marks.groups):
        return True, "a decay of 0.01, which is AdamW's default"
    if any(isinstance(decay := group.get("weight_decay"), (int, float)) and decay > 0 for group in marks.groups):
        return False, "the file does not say how weights decay, so within the moments was taken"
    return False, "no weight decay"


def _of_the_others(marks: _Marks) -> tuple[Algorithm, str]:
    slots, settings = marks.slots, marks.settings
    if "square_avg" in slots or {"alpha", "centered"} <= settings:
        return "rmsprop", "slot square_avg" if "square_avg" in slots else "settings alpha, centered"
    if "sum" in slots or "initial_accumulator_value" in settings:
        return "adagrad", "slot sum" if "sum" in slots else "setting initial_accumulator_value"
    if {"momentum", "dampening"} <= settings or "momentum_buffer" in slots:
        return "sgd", "slot momentum_buffer" if "momentum_buffer" in slots else "settings momentum, dampening"
    if {"rho", "eps"} <= settings:
        return "adadelta", "settings rho, eps"
    return "unknown", "neither slots nor settings name one" if slots or settings else "no state and no settings"


def flat_slots(entry: Mapping[str, Tree]) -> Iterator[tuple[str, Tree]]:
    """An entry's slots, with those that bitsandbytes keeps in a table of their own (for FSDP) beside the others."""
    for slot, value in entry.items():
        if isinstance(value, Mapping):
            yield from value.items()
        else:
            yield slot, value
