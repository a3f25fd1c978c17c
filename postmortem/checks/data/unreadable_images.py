"""Images that cannot be read

## What it looks for
Images among a sample of those that the manifest names that are no image or are cut short. It warns about any: 0 are expected.

## Why it matters
Where a sample of some dozen images holds one that cannot be decoded, thousands of a large set are like it. Loaders raise in the middle of
an epoch, or give back a black or half grey image with its label.

## What to do
Decode every image once (`Image.open(path).load()`), and copy or leave out those that fail.

## When it is wrong
A format that this machine's image library does not read (HEIC, JPEG XL, DICOM) looks the same. The copy here may be damaged where the
training's was not.

## References
PIL.ImageFile.LOAD_TRUNCATED_IMAGES: with it, the lower part of a cut image is grey.
"""

from __future__ import annotations

from postmortem.model import Example, Finding, Measured, Measurement, Threshold, percent

UNREADABLE = Threshold(
    0,
    "share",
    source="by definition: an image of a data set can be decoded",
    half="the same",
    double="the same",
)

NEEDS = ("data.unreadable_images",)


def judge(measured: Measured) -> Finding:
    unreadable = measured["data.unreadable_images"]
    if not unreadable.value <= UNREADABLE.value:
        told = f"{percent(unreadable.value)} of the images sampled cannot be read: {unreadable.basis}"
        return Finding("warn", told, unreadable.value, UNREADABLE, unreadable.unit, where=tuple(list(unreadable.items)[:5]))
    return Finding("pass", f"all images sampled can be read: {unreadable.basis}", 0.0, UNREADABLE, unreadable.unit)


EXAMPLES = (
    Example(
        "two of sixty-four images are cut short",
        (Measurement("data.unreadable_images", 2 / 64, "share", "2 of 64 images of train.csv cannot be read", items={"a.jpg": 1.0}),),
        "warn",
    ),
    Example(
        "all can be read", (Measurement("data.unreadable_images", 0.0, "share", "0 of 64 images of train.csv cannot be read"),), "pass"
    ),
    Example("no image was opened", (), "not-checked"),
)
