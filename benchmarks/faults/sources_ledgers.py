"""Tables as offices and laboratories keep them, simulated: terrain, credits, pipes, visits, houses, turbines, movements, spectra.

As in `sources.py` a seed deals the records out to training and validation; what is made is the same for every seed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from faults.nouns import Data
from faults.sources import Floats, Integers, dealt


def _one_hot(kinds: Integers, width: int) -> Floats:
    made: Floats = np.eye(width, dtype=np.float64)[kinds]
    return made


COVERS = ("spruce", "lodgepole", "ponderosa", "willow", "aspen", "fir", "krummholz")


def terrain(seed: int) -> Data:
    """3,500 patches of land of seven kinds of trees, 12 columns; each kind grows in two sorts of places."""
    draw = np.random.default_rng(101)
    labels = np.arange(3500) % len(COVERS)
    middles = draw.normal(0, 1.0, size=(len(COVERS), 2, 6))
    place = middles[labels, draw.integers(0, 2, size=3500)] + draw.normal(0, 0.45, size=(3500, 6))
    elevation, slope, aspect, water, road, fire = (place * (280, 8, 110, 200, 900, 800) + (2900, 15, 155, 270, 2300, 2000)).T
    tilt, facing = np.radians(slope.clip(0, 60)), np.radians(aspect)
    shades = [254 * (np.cos(tilt) * 0.7 + np.sin(tilt) * 0.7 * np.cos(facing - np.radians(sun))).clip(0) for sun in (110, 180, 250)]
    soil = (place[:, :3] @ draw.normal(0, 1, size=(3, 3))).argmax(axis=1)
    inputs = np.column_stack([elevation, slope, aspect, water, road, fire, *shades, _one_hot(soil, 3)])
    columns = (
        "elevation",
        "slope",
        "aspect",
        "to_water",
        "to_road",
        "to_fire",
        "shade_9",
        "shade_noon",
        "shade_3",
        "soil_a",
        "soil_b",
        "soil_c",
    )
    return dealt(inputs, labels.astype(np.int64), seed, COVERS, columns, per_column=True)


def credit(seed: int) -> Data:
    """3,600 credits, of which half were paid back: six numbers, and three categories as columns of 0 and 1."""
    draw = np.random.default_rng(103)
    age, months = draw.uniform(20, 70, size=3600), draw.integers(6, 61, size=3600).astype(np.float64)
    income, amount = draw.lognormal(8.0, 0.5, size=3600), draw.lognormal(8.6, 0.7, size=3600)
    savings, late = draw.exponential(2000, size=3600), draw.poisson(0.8, size=3600).astype(np.float64)
    housing, purpose, history = draw.integers(0, 3, size=3600), draw.integers(0, 5, size=3600), draw.integers(0, 4, size=3600)
    burden = np.log(amount / months / income)
    score = 1.6 * burden + 0.9 * late - 0.5 * np.log1p(savings) + 0.8 * np.cos(age / 8) + np.array([0.9, -0.8, 0.0])[housing]
    score += np.array([0.8, -0.9, 0.4, -0.6, 0.2])[purpose] * (1 + (history == 3)) + np.array([-1.2, -0.3, 0.5, 1.1])[history]
    failed = score + draw.logistic(0, 0.3, size=3600) > np.median(score)
    inputs = np.column_stack(
        [age, months, np.log(income), np.log(amount), savings, late, _one_hot(housing, 3), _one_hot(purpose, 5), _one_hot(history, 4)]
    )
    categories = [f"{name}_{kind}" for name, kinds in (("housing", 3), ("purpose", 5), ("history", 4)) for kind in range(kinds)]
    columns = ("age", "months", "log_income", "log_amount", "savings", "late", *categories)
    return dealt(inputs, failed.astype(np.int64), seed, ("paid", "failed"), columns, per_column=True)


def pipes(seed: int) -> Data:
    """3,000 pipes of eight columns and the logarithm of their loss of pressure, by Darcy and Weisbach, friction by Swamee and Jain."""
    draw = np.random.default_rng(107)
    length, wide = draw.uniform(5, 200, size=3000), draw.uniform(0.05, 0.4, size=3000)
    speed, rough = draw.uniform(0.3, 4.0, size=3000), 10 ** draw.uniform(-5.5, -3.0, size=3000)
    viscosity, density = 10 ** draw.uniform(-6.5, -4.0, size=3000), draw.uniform(700, 1200, size=3000)
    bends, valves = draw.integers(0, 12, size=3000), draw.integers(0, 5, size=3000)
    reynolds = speed * wide / viscosity
    friction = 0.25 / np.log10(rough / (3.7 * wide) + 5.74 / reynolds**0.9) ** 2
    loss = (friction * length / wide + 0.6 * bends + 4.0 * valves) * density * speed**2 / 2
    inputs = np.column_stack([length, wide, speed, np.log10(rough), np.log10(viscosity), density, bends, valves])
    columns = ("length", "diameter", "speed", "log_roughness", "log_viscosity", "density", "bends", "valves")
    return dealt(inputs, np.log(loss) + 0.05 * draw.standard_normal(3000), seed, columns=columns, per_column=True)


def visits(seed: int) -> Data:
    """6,000 hours of a counter of bicycles, nine columns: how many passed, as counts that are not standardized."""
    draw = np.random.default_rng(109)
    hour, day = draw.uniform(0, 24, size=6000), draw.uniform(0, 365, size=6000)
    weekend, rain = draw.integers(0, 2, size=6000), draw.exponential(0.7, size=6000)
    warm = 12 - 10 * np.cos(2 * np.pi * day / 365) + draw.normal(0, 4, size=6000)
    wind, damp = draw.gamma(3.0, 1.5, size=6000), draw.uniform(30, 100, size=6000)
    rush = np.where(weekend, np.exp(-(((hour - 14) / 4) ** 2)), np.exp(-(((hour - 8) / 1.8) ** 2)) + np.exp(-(((hour - 17.5) / 2.2) ** 2)))
    rate = np.exp(0.6 + 1.8 * rush + 0.05 * (warm - 12) - 0.5 * rain - 0.05 * wind)
    turn = 2 * np.pi * hour / 24
    inputs = np.column_stack([np.sin(turn), np.cos(turn), np.sin(2 * turn), np.cos(2 * turn), weekend, rain, warm, wind, damp])
    columns = ("sin_hour", "cos_hour", "sin_half_day", "cos_half_day", "weekend", "rain", "temperature", "wind", "humidity")
    data = dealt(inputs, draw.poisson(rate).astype(np.int64), seed, columns=columns, per_column=True)
    return replace(data, targets=data.targets.float())


def houses(seed: int) -> Data:
    """6,000 sales of houses, eight columns, and the logarithm of the price, whose errors have long tails, longer for old houses."""
    draw = np.random.default_rng(113)
    area, rooms = draw.lognormal(4.7, 0.35, size=6000), draw.integers(2, 9, size=6000)
    age, far = draw.uniform(0, 100, size=6000), draw.exponential(8, size=6000)
    lot, grade = draw.lognormal(6.0, 0.6, size=6000), draw.uniform(1, 10, size=6000)
    garage, north = draw.integers(0, 3, size=6000), draw.uniform(-1, 1, size=6000)
    price = 0.8 * np.log(area) + 0.1 * np.log(lot) + 0.09 * grade - 0.25 * np.log1p(far) + 0.25 * np.cos(age / 16) + 0.05 * garage
    price += 0.15 * north * grade / 5 + 0.02 * rooms
    price += draw.laplace(0, 1, size=6000) * (0.025 + 0.0012 * age)
    inputs = np.column_stack([np.log(area), rooms, age, np.log1p(far), np.log(lot), grade, garage, north])
    columns = ("log_area", "rooms", "age", "log_distance", "log_lot", "grade", "garage", "north")
    return dealt(inputs, price, seed, columns=columns, per_column=True)


def shells(seed: int) -> Data:
    """4,800 points in four dimensions, in four shells around the middle of equal numbers."""
    from sklearn.datasets import make_gaussian_quantiles

    inputs, targets = make_gaussian_quantiles(n_samples=4800, n_features=4, n_classes=4, random_state=13)
    columns = tuple(f"axis{column}" for column in range(4))
    return dealt(inputs, targets.astype(np.int64), seed, ("core", "inner", "outer", "rim"), columns, per_column=True)


def turbines(seed: int) -> Data:
    """3,200 readings of wind turbines, nine columns, and their power: nothing, a rise, a plateau; less in the wake of others."""
    draw = np.random.default_rng(127)
    wind, turn = draw.weibull(2.0, size=3200) * 9, draw.uniform(0, 2 * np.pi, size=3200)
    warm, pressure = draw.normal(10, 8, size=3200), draw.normal(1000, 15, size=3200)
    damp, rough = draw.uniform(20, 100, size=3200), draw.uniform(0.05, 0.25, size=3200)
    off, pitch, height = draw.normal(0, 25, size=3200), draw.uniform(0, 8, size=3200), draw.uniform(60, 120, size=3200)
    density = pressure / (2.87 * (warm + 273.15))
    wake = 0.3 * np.exp(-(((turn - 1.6) / 0.5) ** 2)) + 0.3 * np.exp(-(((turn - 4.5) / 0.5) ** 2))
    felt = wind * (height / 80) ** rough * np.cos(np.radians(off)).clip(0) * (1 - wake)
    power = np.where(felt < 3, 0.0, 2.0 / (1 + np.exp(-(felt - 8.5) / 1.3))) * density * (1 - 0.08 * pitch)
    wrong = draw.random(3200) < 0.03
    power = power + 0.05 * draw.standard_normal(3200) + wrong * draw.normal(0, 1.0, size=3200)
    inputs = np.column_stack([wind, np.sin(turn), np.cos(turn), warm, pressure, damp, off, pitch, height])
    columns = ("wind", "sin_direction", "cos_direction", "temperature", "pressure", "humidity", "yaw", "pitch", "height")
    return dealt(inputs, power, seed, columns=columns, per_column=True)


MOVEMENTS = ("lying", "sitting", "standing", "walking", "climbing", "running")


def movements(seed: int) -> Data:
    """6,000 windows of an accelerometer, summed up in 24 columns, and what the wearer did."""
    draw = np.random.default_rng(131)
    labels = np.arange(6000) % len(MOVEMENTS)
    upright = np.array([[1.0, 0.1, 0.2], [0.25, 0.8, 0.5], [0.1, 1.0, 0.0], [0.1, 1.0, 0.1], [0.1, 0.95, 0.3], [0.2, 0.95, 0.1]])[labels]
    strength = np.array([0.02, 0.04, 0.06, 0.35, 0.4, 0.9])[labels] * draw.lognormal(0, 0.3, size=6000)
    beat = np.array([0.5, 0.5, 0.5, 1.8, 1.4, 2.7])[labels] * draw.uniform(0.85, 1.15, size=6000)
    time, phases = np.arange(64) / 16, draw.uniform(0, 2 * np.pi, size=(6000, 3, 1))
    swing = np.sin(2 * np.pi * beat[:, None, None] * time * np.array([1.0, 2.0, 1.0])[:, None] + phases)
    signal = (upright + draw.normal(0, 0.22, size=(6000, 3)))[:, :, None] + strength[:, None, None] * swing
    signal = signal + 0.15 * draw.standard_normal(signal.shape)
    waves = abs(np.fft.rfft(signal, axis=2))[:, :, 1:17].reshape(6000, 3, 4, 4).sum(axis=3)
    steps = abs(np.diff(signal, axis=2)).mean(axis=2)
    summed = [signal.mean(axis=2), np.log(signal.std(axis=2)), np.ptp(signal, axis=2), steps, np.log(waves).reshape(6000, 12)]
    names = [f"{what}_{axis}" for what in ("mean", "log_std", "range", "steps") for axis in "xyz"]
    columns = (*names, *(f"band{band}_{axis}" for axis in "xyz" for band in range(4)))
    return dealt(np.column_stack(summed), labels.astype(np.int64), seed, MOVEMENTS, columns, per_column=True)


SUBSTANCES = ("talc", "chalk", "quartz", "gypsum", "mica", "kaolin")
CHANNELS = 48


def spectra(seed: int) -> Data:
    """2,700 spectra of 48 channels of six substances, each with a little of another one, on a sloping ground."""
    draw = np.random.default_rng(137)
    channel = np.linspace(0, 1, CHANNELS)
    peaks, heights = draw.uniform(0.05, 0.95, size=(6, 3)), draw.uniform(0.5, 1.2, size=(6, 3))
    pure = (heights[:, :, None] / (1 + ((channel - peaks[:, :, None]) / 0.035) ** 2)).sum(axis=1)
    labels = np.arange(2700) % len(SUBSTANCES)
    other = (labels + draw.integers(1, 6, size=2700)) % len(SUBSTANCES)
    share = draw.uniform(0, 0.45, size=(2700, 1))
    mixed = (1 - share) * pure[labels] + share * pure[other]
    ground = draw.normal(0, 0.3, size=(2700, 1)) + draw.normal(0, 0.5, size=(2700, 1)) * channel
    signal = draw.lognormal(0, 0.2, size=(2700, 1)) * mixed + ground + 0.12 * draw.standard_normal(mixed.shape)
    return dealt(signal, labels.astype(np.int64), seed, SUBSTANCES)
