"""Data sets that nothing is wrong with: no check of the data alarms on them, but for those that are named here with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from postmortem import rules
from postmortem.diagnose import run_check
from postmortem.measure.classes import measure_classes
from postmortem.measure.image_samples import measure_image_samples
from postmortem.measure.inputs import measure_inputs
from postmortem.model import FilesSeen, ImageSample, Manifest, Measurement, Missing, Outcome, Targets

DATA = [check for check in rules.checks().values() if check.family == "data"]
ALARMS = ("fail", "warn")
Counts = dict[str, dict[str, int]]


def made(counts: Mapping[str, Mapping[str, int]], missing: Mapping[str, int] | None = None) -> Manifest:
    """A manifest of single labels with keys and a random order, as a reader of tables gives it."""
    lacking = missing or {}
    records = {split: sum(counts.get(split, {}).values()) + lacking.get(split, 0) for split in (*counts, *(set(lacking) - set(counts)))}
    rows = sum(records.values())
    labelled = [count for labels in counts.values() for count in labels.values()]
    totals = Counter[str]()
    for labels in counts.values():
        totals.update(labels)
    n = sum(labelled)
    runs = round((n * (n + 1) - sum(each**2 for each in totals.values())) / n) if n else None
    return Manifest(
        source="manifest.csv",
        rows=rows,
        label_column="label",
        split_column="split" if len(records) > 1 else None,
        key_column="path",
        counts={split: dict(labels) for split, labels in counts.items()},
        missing_labels=sum(lacking.values()),
        duplicate_keys=0,
        shared_keys={},
        features={},
        order_runs=runs,
        records=records,
        conflicting_keys=0,
        labels="single",
    )


def names(count: int) -> list[str]:
    """So many class names."""
    return [f"class {index}" for index in range(count)]


def cut(labels: np.ndarray, shares: Mapping[str, float], seed: int) -> Counts:
    """A random split of these labels."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(labels)
    found: Counts = {}
    start = 0
    for split, share in shares.items():
        stop = start + round(share * order.size)
        found[split] = {str(label): int(count) for label, count in Counter(order[start:stop].tolist()).most_common()}
        start = stop
    return found


def long_tail(classes: int, largest: int, smallest: int) -> dict[str, int]:
    """Counts that fall geometrically."""
    sizes = np.geomspace(largest, smallest, classes).round().astype(int)
    return dict(zip(names(classes), sizes.tolist(), strict=True))


def balanced_images() -> Manifest:
    """CIFAR-10: ten classes of 5,000 and 1,000, images looked at."""
    sample = ImageSample(64, (0.491, 0.482, 0.447), (0.247, 0.243, 0.262), split="train")
    counts = {"train": dict.fromkeys(names(10), 5000), "test": dict.fromkeys(names(10), 1000)}
    return replace(made(counts), images=sample, files=FilesSeen(1000, 1000, 0), order_runs=None, format="image folder")


def species() -> Manifest:
    """iNaturalist: a long tail to train on, three of each to validate on."""
    return made({"train": long_tail(1000, 1000, 12), "validation": dict.fromkeys(names(1000), 3)})


def objects() -> Manifest:
    """COCO: 80 classes of objects, person in front, the same tail in validation, pictures without any."""
    train = long_tail(80, 262_465, 198)
    generator = np.random.default_rng(0)
    validation = {name: int(generator.poisson(count / 23)) + 1 for name, count in train.items()}
    found = made({"train": train, "validation": validation})
    records = {"train": 118_287, "validation": 5000}
    return replace(
        found,
        rows=123_287,
        records=records,
        labels="objects",
        classes=tuple(train),
        background=1069,
        order_runs=None,
        conflicting_keys=None,
    )


def roboflow() -> Manifest:
    """A Roboflow export: placeholder 0 set aside, two classes, three small splits."""
    counts = {"train": {"helmet": 1900, "head": 580}, "validation": {"helmet": 171, "head": 60}, "test": {"helmet": 90, "head": 20}}
    records = {"train": 700, "validation": 67, "test": 33}
    found = replace(made(counts), rows=800, records=records, labels="objects", classes=("head", "helmet"), placeholders=("helmets",))
    return replace(found, background=12, order_runs=None, conflicting_keys=None)


def stratified() -> Manifest:
    """Shares kept exactly."""
    return made({"train": {"a": 800, "b": 400, "c": 120}, "validation": {"a": 100, "b": 50, "c": 15}, "test": {"a": 100, "b": 50, "c": 15}})


def hundred_at_random(seed: int) -> Manifest:
    """A random split of 100 records of three classes."""
    labels = np.random.default_rng(seed).choice(["a", "b", "c"], 100, p=[0.5, 0.3, 0.2])
    return made(cut(labels, {"train": 0.8, "test": 0.2}, seed))


def open_test() -> Manifest:
    """A competition's table: the test split has no labels."""
    return made({"train": {"0": 549, "1": 342}, "test": {}}, {"test": 418})


def by_time() -> Manifest:
    """A split by time: shares moved from 20 to 26 % in a year."""
    return made({"train": {"stays": 40_000, "leaves": 10_000}, "validation": {"stays": 7400, "leaves": 2600}})


def later_prices() -> Manifest:
    """Prices split by time, which rose by a third of their deviation, and have a tail."""
    targets = Targets(
        12_000,
        210.0,
        80.0,
        30.0,
        900.0,
        4000,
        quartiles=(150.0, 200.0, 260.0),
        far_out=9,
        splits={"train": (10_000, 205.0, 79.0), "test": (2000, 231.0, 84.0)},
    )
    counts: Counts = {}
    found = replace(made(counts, {"train": 10_000, "test": 2000}), targets=targets, labels="targets", missing_labels=0, order_runs=None)
    return replace(found, counts={})


def folds() -> Manifest:
    """Five random folds."""
    labels = np.random.default_rng(5).choice(["yes", "no"], 3000, p=[0.2, 0.8])
    return made(cut(labels, {str(fold): 0.2 for fold in range(5)}, 5))


def chest() -> Manifest:
    """ChestX-ray14: fourteen findings, any number a picture, split by patient, more findings in the test split."""
    train = {"Infiltration": 13_782, "Effusion": 8659, "Atelectasis": 8280, "Nodule": 4708, "Mass": 4034, "Pneumothorax": 2637}
    train |= {"Consolidation": 2852, "Pleural_Thickening": 2242, "Cardiomegaly": 1707, "Emphysema": 1423, "Edema": 1378, "Fibrosis": 1251}
    train |= {"Pneumonia": 876, "Hernia": 141}
    test = {"Infiltration": 6112, "Effusion": 4658, "Atelectasis": 3279, "Nodule": 1623, "Mass": 1748, "Pneumothorax": 2665}
    test |= {"Consolidation": 1815, "Pleural_Thickening": 1143, "Cardiomegaly": 1069, "Emphysema": 1093, "Edema": 925, "Fibrosis": 435}
    test |= {"Pneumonia": 555, "Hernia": 86}
    records = {"train": 86_524, "test": 25_596}
    found = replace(made({"train": train, "test": test}), rows=112_120, records=records, labels="multiple", missing_labels=60_361)
    return replace(found, group_column="Patient ID", order_runs=None, conflicting_keys=None)


def speech() -> Manifest:
    """LibriSpeech's small part: texts, speakers that no two splits share."""
    records = {"train": 28_539, "validation": 2703, "test": 2620}
    return Manifest(
        "train.json + dev.json", 33_862, "text", None, "audio_filepath", {}, 0, 0, {}, {"duration": (12.0, 3.5)}, records=records,
        labels="text", group_column="speaker", seconds=4.1e5, format="NeMo", files=FilesSeen(200, 0, 0),
    )  # fmt: skip


def augmented() -> Manifest:
    """Rare classes were oversampled in training alone: copies, and an even training split."""
    counts = {"train": {"a": 900, "b": 900}, "validation": {"a": 170, "b": 30}, "test": {"a": 175, "b": 25}}
    return replace(made(counts), duplicate_keys=720)


def few_of_many() -> Manifest:
    """A thousand classes of five records, four to train on."""
    return made({"train": dict.fromkeys(names(1000), 4), "test": dict.fromkeys(names(1000), 1)})


def five_million() -> Manifest:
    """So large a set that a difference of 0.1 % is far beyond chance."""
    return made({"train": {"a": 2_000_000, "b": 2_000_000}, "test": {"a": 501_000, "b": 499_000}})


def semi_supervised() -> Manifest:
    """A few labels, the rest of the training records without."""
    return made({"train": dict.fromkeys(names(10), 100), "test": dict.fromkeys(names(10), 800)}, {"train": 100_000})


def few_shot() -> Manifest:
    """miniImageNet: 64, 16 and 20 classes, none of them in two splits."""
    whole = names(100)
    parts = {"train": whole[:64], "validation": whole[64:80], "test": whole[80:]}
    return made({split: dict.fromkeys(part, 600) for split, part in parts.items()})


def characters() -> Manifest:
    """Letters in both cases are classes of their own."""
    letters = [chr(ord(first) + index) for first in "aA" for index in range(26)]
    return made({"train": dict.fromkeys(letters, 2400), "test": dict.fromkeys(letters, 400)})


def small_extract() -> Manifest:
    """COCO128: 80 names, nine of them without an object in 128 pictures."""
    counts = {"train": dict(list(long_tail(80, 254, 1).items())[:71])}
    found = replace(made(counts), rows=128, records={"train": 128}, labels="objects", classes=tuple(names(80)), background=2)
    return replace(found, order_runs=None, conflicting_keys=None)


def copied_in_part() -> Manifest:
    """Class counts of which nothing lies on this machine but a few files."""
    return replace(stratified(), files=FilesSeen(500, 12, 0, ("a/1.png",)), rejected=1)


def x_rays() -> Manifest:
    """Grey pictures."""
    return replace(stratified(), images=ImageSample(64, (0.48,), (0.25,), identical=1, split="train"))


HEALTHY: dict[str, Manifest] = {
    **{make.__name__: make() for make in (balanced_images, species, objects, roboflow, stratified, open_test, by_time, later_prices)},
    **{
        make.__name__: make()
        for make in (folds, chest, speech, augmented, few_of_many, five_million, semi_supervised, characters, few_shot)
    },
    **{make.__name__: make() for make in (small_extract, copied_in_part, x_rays)},
    **{f"hundred at random, {seed}": hundred_at_random(seed) for seed in range(20)},
}

EXPECTED = {
    ("species", "skewed-classes"): "a long tail of 83 to 1 is named, and never fails",
    ("objects", "skewed-classes"): "1,300 to 1 is named, and never fails",
    ("chest", "skewed-classes"): "98 to 1 is named, and never fails",
    ("small_extract", "skewed-classes"): "classes of a single object are named, and never fail",
    ("augmented", "duplicate-records"): "without a setting that says so copies cannot be told from a slip",
}
"""Alarms that stay, and why."""

SETTINGS = {f"image_mean.{index}": value for index, value in enumerate((0.485, 0.456, 0.406))}
SETTINGS |= {f"image_std.{index}": value for index, value in enumerate((0.229, 0.224, 0.225))}


def outcomes(manifest: Manifest) -> dict[str, Outcome]:
    """What every check of the data says of a manifest alone, with ImageNet's constants in the settings."""
    found = [
        *measure_classes((manifest,), None, None, {}, None),
        *measure_inputs((manifest,), {}),
        *measure_image_samples((manifest,), SETTINGS),
    ]
    values = {each.name: each for each in found if isinstance(each, Measurement)}
    missing = {each.name: each for each in found if isinstance(each, Missing)}
    return {check.id: run_check(check, values, missing) for check in DATA}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_data_set_is_left_in_peace(name: str) -> None:
    """No check of the data fails, none warns but those that are expected to, and none breaks."""
    found = outcomes(HEALTHY[name])
    assert [each.error for each in found.values() if each.error] == []
    alarms = {id: each.finding.reason for id, each in found.items() if each.status in ALARMS}
    assert {id: reason for id, reason in alarms.items() if not EXPECTED.get((name, id))} == {}
    assert all(found[id].status != "fail" for id in alarms)


def test_expected_alarms_are_there() -> None:
    """Each alarm that stands in the list above is raised: an exception that nothing needs is taken out."""
    assert all(outcomes(HEALTHY[name])[id].status == "warn" for (name, id), why in EXPECTED.items() if why)


def test_most_checks_looked() -> None:
    """On the set with images all checks that a manifest alone can answer were made, so that silence above means something."""
    found = outcomes(replace(balanced_images(), group_column="photographer"))
    passed = {id for id, each in found.items() if each.status == "pass"}
    assert passed >= {
        "broken-records", "conflicting-labels", "drifting-splits", "duplicate-records", "missing-classes", "missing-files", "odd-classes",
        "shared-groups", "shared-records", "skewed-classes", "uncentred-inputs", "unlabelled-records", "unreadable-images",
        "unscaled-inputs",
    }  # fmt: skip


SICK: dict[str, tuple[Manifest, str, str]] = {
    "drift": (made({"train": {"a": 8000, "b": 2000}, "validation": {"a": 300, "b": 700}}), "drifting-splits", "warn"),
    "conflicts": (replace(stratified(), conflicting_keys=90), "conflicting-labels", "warn"),
    "patients": (replace(stratified(), group_column="patient", shared_groups={"train|test": 60}), "shared-groups", "warn"),
    "unlabelled": (made({"train": {"a": 500, "b": 400}, "test": {"a": 90, "b": 80}}, {"train": 90}), "unlabelled-records", "warn"),
    "lost files": (replace(stratified(), files=FilesSeen(500, 430, 0, ("a/1.png",))), "missing-files", "warn"),
    "empty files": (replace(stratified(), files=FilesSeen(500, 500, 1, ("a/1.png",))), "missing-files", "warn"),
    "broken rows": (replace(stratified(), rejected=40), "broken-records", "warn"),
    "cut images": (replace(stratified(), images=ImageSample(64, (0.5,), (0.2,), ("a/1.png",))), "unreadable-images", "warn"),
    "copies": (
        replace(stratified(), key_column=None, duplicate_keys=None, images=ImageSample(64, (0.5,), (0.2,), identical=6)),
        "duplicate-records",
        "warn",
    ),
    "notebook": (made({"train": {"cat": 90, "dog": 80, ".ipynb_checkpoints": 2}}), "odd-classes", "warn"),
    "lost class": (replace(stratified(), classes=("a", "b", "c", "d")), "missing-classes", "warn"),
    "sentinel": (
        replace(later_prices(), targets=Targets(1000, 40.0, 60.0, -999.0, 90.0, 500, quartiles=(30.0, 45.0, 60.0), far_out=2)),
        "outlying-targets",
        "warn",
    ),
    "slip": (
        replace(later_prices(), targets=Targets(10_000, 300.0, 10_000.0, 1.0, 1e6 + 300, 500, quartiles=(100.0, 200.0, 300.0))),
        "outlying-targets",
        "warn",
    ),
    "constant": (replace(later_prices(), targets=Targets(10_000, 3.0, 0.0, 3.0, 3.0, 1)), "unscaled-targets", "fail"),
}


@pytest.mark.parametrize("name", SICK)
def test_a_sick_data_set_is_told(name: str) -> None:
    """The fault that a manifest was given raises the check that is there for it."""
    manifest, id, status = SICK[name]
    found = outcomes(manifest)[id]
    assert found.status == status, found.finding.reason
