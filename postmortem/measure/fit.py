"""Whether the model has shown that it can fit its training data."""

from __future__ import annotations

from collections.abc import Mapping

from postmortem.model import Measurement, Missing, RunData, multiple, percent, share_of

REACHED = 0.9
"""A fit of nine tenths ends the question; below it only a run on a small set can tell."""
SMALL_SET = 200
"""Up to this many training records a run is itself the test on a small set."""


def training_records(run: RunData) -> int | None:
    """Training records of the manifests (all records where no split is named), or None without a manifest."""
    for manifest in run.manifests:
        counted = manifest.records or {split: sum(counts.values()) for split, counts in manifest.counts.items()}
        for split, records in counted.items():
            if split in ("train", ""):
                return records
    return None


def measure_fit(run: RunData, seen: Mapping[str, Measurement]) -> Measurement | Missing:
    """`fit.reached`: training accuracy where it was logged, else 1 - last loss over chance (or over the first loss).

    Missing where the fit was not reached and the training set is not small: then the run says nothing about it. `seen` are the
    measurements made before.
    """
    name = "fit.reached"
    accuracy, to_chance, to_first = seen.get("accuracy.train_last"), seen.get("loss.last_to_chance"), seen.get("loss.last")
    found: list[tuple[float, str]] = []
    if accuracy is not None:
        found.append((accuracy.value, f"training accuracy {percent(accuracy.value, 3)}; {accuracy.basis}"))
    if to_chance is not None:
        found.append((1 - to_chance.value, f"last training loss {multiple(to_chance.value)} chance level; {to_chance.basis}"))
    elif to_first is not None and seen["loss.first"].value > 0 and seen["run.family"].text not in ("rl", "gan"):
        share = to_first.value / seen["loss.first"].value
        found.append((1 - share, f"last training loss {share_of(share, 'the first', seen['loss.first'].value)}; {to_first.basis}"))
    if not found:
        return Missing(name, "neither a training loss with enough points nor a training accuracy was logged", "small-set-run")
    value, basis = max(found)
    value = min(1.0, max(0.0, value))
    if value >= REACHED:
        return Measurement(name, value, "share", basis)
    records = training_records(run)
    if records is not None and records <= SMALL_SET:
        return Measurement(name, value, "share", f"{records} training records; {basis}")
    fitted = f"the run did not fit its training data ({basis.split(';')[0]})"
    size = f"its {records:,} training records are no small set" if records is not None else "how many records it has is not known"
    return Missing(name, f"{fitted}, and {size}", "small-set-run")
