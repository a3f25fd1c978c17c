"""Closed-form truth for what a model sees of sampled images."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postmortem.measure.image_samples import SAMPLE_NAMES, declared_constants, measure_image_samples
from postmortem.model import ImageSample, Manifest, Measurement, Missing, Plain

SAMPLE = ImageSample(40, (0.5, 0.4, 0.3), (0.2, 0.2, 0.3), split="train")
TABLE = Manifest("manifest.csv", 40, "label", None, None, {"": {"a": 20, "b": 20}}, 0, None, {}, {}, images=SAMPLE)


def constants(mean: tuple[float, ...], deviation: tuple[float, ...], name: str = "image") -> dict[str, Plain]:
    """Settings as a configuration file's lists come out."""
    known: dict[str, Plain] = {f"{name}_mean.{index}": value for index, value in enumerate(mean)}
    return known | {f"{name}_std.{index}": value for index, value in enumerate(deviation)}


def measured(known: dict[str, Plain], manifest: Manifest = TABLE) -> dict[str, Measurement | Missing]:
    """All that is measured, each name once."""
    found = list(measure_image_samples((manifest,), known))
    assert [one.name for one in found] == list(SAMPLE_NAMES)
    return {one.name: one for one in found}


def measurement(found: Measurement | Missing) -> Measurement:
    """A measurement that must be there."""
    assert isinstance(found, Measurement), found
    return found


def test_constants_shift_and_scale_each_channel() -> None:
    """(mean - declared mean) / declared deviation, by channel."""
    found = measured(constants((0.5, 0.5, 0.5), (0.25, 0.5, 0.5)))
    mean, deviation = measurement(found["inputs.sample_mean"]), measurement(found["inputs.sample_std"])
    assert mean.items == {"red": pytest.approx(0), "green": pytest.approx(-0.2), "blue": pytest.approx(-0.4)}
    assert deviation.items == {"red": pytest.approx(0.8), "green": pytest.approx(0.4), "blue": pytest.approx(0.6)}
    assert mean.value == pytest.approx(-0.4)
    assert deviation.value == pytest.approx(0.4)
    assert measurement(found["inputs.sample_rms"]).value == pytest.approx(((0.64 + 0.16 + 0.36 + 0.04 + 0.16) / 3) ** 0.5)


def test_constants_of_either_scale_fit_their_own() -> None:
    """Constants of 0 to 255 are taken with pixels of 0 to 255 where nothing says otherwise: the same numbers come out."""
    small, large = constants((0.4,) * 3, (0.2,) * 3), constants((102.0,) * 3, (51.0,) * 3)
    values = [measurement(measured(known)["inputs.sample_rms"]).value for known in (small, large)]
    assert values[0] == pytest.approx(values[1])


def test_a_stated_scale_makes_the_other_constants_wrong() -> None:
    """Where settings say whether pixels are rescaled, constants of the other scale are a fault, and show as one."""
    unscaled = measured(constants((0.4,) * 3, (0.2,) * 3) | {"do_rescale": False})
    assert measurement(unscaled["inputs.sample_rms"]).value > 300
    shrunk = measured(constants((102.0,) * 3, (51.0,) * 3) | {"do_rescale": True, "rescale_factor": 1 / 255})
    assert measurement(shrunk["inputs.sample_std"]).value < 0.01
    right = measured(constants((0.4,) * 3, (0.2,) * 3) | {"do_rescale": True, "rescale_factor": 1 / 255})
    assert measurement(right["inputs.sample_rms"]).value == pytest.approx(measurement(unscaled["inputs.sample_rms"]).value / 400, rel=1)


def test_constants_that_are_not_applied_are_left_out() -> None:
    """`do_normalize: false` leaves the pixels on the scale that settings state, or unknown."""
    known = constants((0.4,) * 3, (0.2,) * 3) | {"do_normalize": False}
    assert isinstance(measured(known)["inputs.sample_mean"], Missing)
    assert measurement(measured(known | {"do_rescale": True})["inputs.sample_mean"]).value == pytest.approx(0.5)


def test_grey_images_meet_constants_of_three_channels() -> None:
    """One channel is repeated; four against three is a mismatch, and says so."""
    grey = replace(TABLE, images=ImageSample(40, (0.5,), (0.2,)))
    found = measurement(measured(constants((0.5, 0.4, 0.3), (0.2, 0.2, 0.2)), grey)["inputs.sample_mean"])
    assert list(found.items.values()) == [pytest.approx(0), pytest.approx(0.5), pytest.approx(1)]
    four = replace(TABLE, images=ImageSample(40, (0.5,) * 4, (0.2,) * 4))
    assert isinstance(measured(constants((0.5, 0.4, 0.3), (0.2, 0.2, 0.2)), four)["inputs.sample_mean"], Missing)


def test_stored_statistics_need_no_settings() -> None:
    """As the images lie there, they are shares of white."""
    found = measured({})
    assert measurement(found["inputs.stored_mean"]).value == pytest.approx(0.4)
    assert isinstance(found["inputs.sample_mean"], Missing)


def test_a_few_images_are_no_sample() -> None:
    """Fewer than eight readable images stand for nothing; nor do none."""
    few = replace(TABLE, images=replace(SAMPLE, looked=10, unreadable=("a", "b", "c")))
    for manifest in (few, replace(TABLE, images=None)):
        assert all(isinstance(one, Missing) for one in measured(constants((0.5,), (0.5,)), manifest).values())


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"image_mean": "[0.5, 0.4, 0.3]", "image_std": "[0.2, 0.2, 0.1]"}, ((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))),
        ({"model.data_preprocessor.mean.0": 123.6, "model.data_preprocessor.std.0": 58.3}, ((123.6,), (58.3,))),
        ({"normalize_mean": 0.1307, "normalize_std": 0.3081}, ((0.1307,), (0.3081,))),
        ({"mean": 0.1307, "std": 0.3081}, None),
        ({"a.mean.0": 0.5, "b.std.0": 0.5}, None),
        ({"image_mean.0": 0.5, "image_mean.1": 0.5, "image_std.0": 0.5}, None),
        ({"image_mean.0": 0.5, "image_std.0": 0.0}, None),
        ({"image_mean": True, "image_std": True}, None),
    ],
    ids=["text", "nested", "single", "plain numbers", "of two places", "lengths differ", "no deviation", "flags"],
)
def test_constants_are_found_where_both_are(known: dict[str, Plain], expected: tuple[tuple[float, ...], tuple[float, ...]] | None) -> None:
    """Means and deviations of one place, of one length; a plain `mean` as a list only."""
    found = declared_constants(known)
    assert (found[1:] if found is not None else None) == expected
