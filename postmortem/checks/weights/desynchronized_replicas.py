"""Replicas that drifted apart

## What it looks for
Parameters that should be equal on all ranks of a job and are not: every parameter of data-parallel replicas (`rank0.pt`, `rank1.pt`), and
under tensor parallelism those that are not cut into parts (norms, biases of outputs that are summed, routers). A difference above
0 epsilons of the stored type is a warning, and a relative distance above 16 epsilons is a failure.

## Why it matters
Replicas apply the same update to the same weights and stay equal to the last bit. Once they differ, each rank computes gradients for
another model than the one that their mean is applied to. The loss hardly shows it; the model that is saved is not the one that was trained.

## What to do
Find what one rank does alone: clipping or skipping a step by its own norm, a parameter that is left out of the all-reduce, a seed that
differs where it should not, weights that were not broadcast at the start. Then restart from rank 0's file on all ranks.

## When it is wrong
Local SGD and its kin let replicas drift apart between synchronizations on purpose. Ranks on different hardware can round differently.
Running statistics of batch normalization, counters, masks, experts, and tensors that are cut over ranks are not compared.

## References
BLOOM's chronicles: layer norms that differed between tensor-parallel ranks, unnoticed for days. DeepSpeed issue 1801, PyTorch issue 104336.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, counted, multiple, number

DRIFTED = Threshold(
    16,
    "rounding units",
    source="own: one update that differs in its last bit moves a tensor by less than one epsilon of its norm; sums over a run by a few",
    half="drift of rounding over a long run is called a failure, not a warning",
    double="the same cases, a few hundred updates later",
)
ANY = Threshold(
    0,
    "rounding units",
    source="by definition: equal updates of equal weights are equal to the last bit",
    half="the same: there is no half of no difference",
    double="the same: one bit is a difference",
)

NEEDS = ("replicas.distance", "replicas.differing_tensors")
USES = ("replicas.differing_ranks",)


def judge(measured: Measured) -> Finding:
    found, tensors = measured["replicas.distance"], measured["replicas.differing_tensors"]
    where = tuple(tensors.items)
    if found.value > ANY.value:
        ranks = measured.get("replicas.differing_ranks")
        names = list(ranks.items) if ranks is not None else []
        who = f" on {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}" if names else ""
        when = f", first at step {tensors.first_step}" if tensors.first_step is not None else ""
        worst = f", {where[0]} by {multiple(tensors.items[where[0]])} its norm" if where else ""
        limit = DRIFTED if found.value > DRIFTED.value else ANY
        differing = counted(len(where), "parameter tensor")
        seen = f"{differing}{who} differ{'s' if len(where) == 1 else ''} from rank 0's{worst}{when}"
        line = f"{number(found.value)} rounding units of their type, above {number(limit.value)}"
        reason = f"{seen}: {line}"
        drifted = found.value > DRIFTED.value
        return Finding("fail" if drifted else "warn", reason, found.value, limit, limit.unit, tensors.first_step, where)
    if found.value <= ANY.value:
        return Finding("pass", f"all replicas are equal to the last bit ({found.basis})", found.value, ANY, ANY.unit)
    return Finding("not-checked", "the distance of the replicas is not a number")


def _given(epsilons: float, **items: float) -> tuple[Measurement, ...]:
    basis = "12 parameter tensors on 4 ranks, every element, in 2 checkpoints"
    step = 200 if epsilons else None
    named = {name.replace("_", "."): value for name, value in items.items()}
    return (
        Measurement("replicas.distance", epsilons, "epsilons", basis, step, dict.fromkeys(named, epsilons)),
        Measurement("replicas.differing_tensors", len(named), "tensors", basis, step, named),
        Measurement("replicas.differing_ranks", float(bool(named)), "ranks", basis, step, {"rank 3": epsilons} if named else {}),
    )


EXAMPLES = (
    Example("one rank clips by its own norm", _given(5e4, ln_weight=6e-3, fc_weight=1e-3), "fail"),
    Example("a difference in the last bit", _given(0.4, ln_weight=5e-8), "warn"),
    Example("replicas of a sound job", _given(0.0), "pass"),
    Example("files of one rank only", (), "not-checked"),
)
