"""Tables of the bench and the counter, simulated: typists, gas sensors, orbits, claims, solutions, deliveries, motors, mushrooms, stars.

As in `sources.py` a seed deals the records out to training and validation; what is made is the same for every seed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from faults.nouns import Data
from faults.sources import Floats, dealt


def _as_it_is(inputs: Floats, targets: Floats, seed: int, columns: tuple[str, ...]) -> Data:
    """Inputs standardized as ever, and numbers to tell that are not: densities of amounts and shares need them as they are."""
    data = dealt(inputs, np.arange(len(inputs), dtype=np.int64), seed, columns=columns, per_column=True)
    return replace(data, targets=torch.tensor(targets, dtype=torch.float32)[data.targets])


TYPISTS = ("anna", "boris", "carla", "dmitri", "elif", "frank", "gita", "hugo")


def typists(seed: int) -> Data:
    """6,000 phrases that eight persons typed: how long each of ten keys was held, and the ten times between, slower when tired."""
    draw = np.random.default_rng(211)
    labels = np.arange(6000) % len(TYPISTS)
    own = draw.normal(0, 0.22, size=(len(TYPISTS), 20))
    tired = draw.uniform(-0.5, 0.5, size=(6000, 1))
    # Who is tired slows down between keys, and everyone in a way of his own.
    slower = np.concatenate([draw.normal(0.1, 0.2, size=(len(TYPISTS), 10)), draw.normal(0.8, 0.3, size=(len(TYPISTS), 10))], axis=1)
    logarithm = own[labels] + slower[labels] * tired + draw.normal(0, 0.25, size=(6000, 20))
    usual = np.concatenate([np.full(10, 95.0), np.full(10, 140.0)])
    columns = tuple(f"hold_{key}" for key in range(10)) + tuple(f"between_{key}" for key in range(10))
    return dealt(usual * np.exp(logarithm), labels.astype(np.int64), seed, TYPISTS, columns, per_column=True)


GASES = ("ethanol", "ethylene", "ammonia", "acetaldehyde", "acetone", "toluene")


def gases(seed: int) -> Data:
    """6,000 sniffs of an electronic nose: sixteen sensors' resistance by a power law of the concentration, and eight times of recovery."""
    draw = np.random.default_rng(223)
    labels = np.arange(6000) % len(GASES)
    sensitivity = 10 ** draw.normal(-1.2, 0.3, size=(len(GASES), 16))
    power = draw.uniform(0.42, 0.62, size=(len(GASES), 16))
    much = 10 ** draw.uniform(0.5, 2.2, size=(6000, 1))
    resistance = -power[labels] * np.log1p(sensitivity[labels] * much) + draw.normal(0, 0.12, size=(6000, 16))
    time = draw.uniform(30, 45, size=(len(GASES), 8))[labels] * much**0.15 * np.exp(draw.normal(0, 0.25, size=(6000, 8)))
    columns = tuple(f"mox_{sensor:02d}" for sensor in range(16)) + tuple(f"recovery_{sensor}" for sensor in range(8))
    return dealt(np.concatenate([resistance, time], axis=1), labels.astype(np.int64), seed, GASES, columns, per_column=True)


def orbits(seed: int) -> Data:
    """4,800 bodies of six elements, and the logarithm of their distance from the sun by Kepler's equation, a little uncertain."""
    draw = np.random.default_rng(227)
    axis, eccentricity = draw.uniform(0.5, 3.0, size=4800), draw.uniform(0.0, 0.7, size=4800)
    anomaly, node = draw.uniform(0, 2 * np.pi, size=4800), draw.uniform(0, 2 * np.pi, size=4800)
    inclination, perihelion = draw.rayleigh(0.15, size=4800), draw.uniform(0, 2 * np.pi, size=4800)
    eccentric = anomaly + eccentricity * np.sin(anomaly)
    for _ in range(30):
        eccentric -= (eccentric - eccentricity * np.sin(eccentric) - anomaly) / (1 - eccentricity * np.cos(eccentric))
    distance = np.log(axis * (1 - eccentricity * np.cos(eccentric))) + draw.normal(0, 0.05, size=4800)
    inputs = np.column_stack([axis, eccentricity, anomaly, inclination, node, perihelion])
    columns = ("semi_major_axis", "eccentricity", "mean_anomaly", "inclination", "ascending_node", "perihelion")
    return dealt(inputs, distance, seed, columns=columns, per_column=True)


def claims(seed: int) -> Data:
    """6,000 claims on motor insurance, ten columns, and their amount in thousands: gamma, its shape by region."""
    draw = np.random.default_rng(229)
    driver, car = draw.uniform(18, 85, size=6000), draw.uniform(0, 20, size=6000)
    power, mileage = draw.gamma(6.0, 15.0, size=6000), draw.lognormal(2.5, 0.5, size=6000)
    bonus, speed = draw.uniform(0.5, 1.6, size=6000), draw.choice([30.0, 50.0, 80.0, 120.0], size=6000)
    region = draw.integers(0, 4, size=6000)
    level = -1.5 + 0.9 * np.exp(-(driver - 18) / 8) + 0.0006 * (driver - 50) ** 2 - 0.06 * car + 0.006 * power + 0.6 * (bonus - 1)
    level += 0.014 * speed + np.array([0.3, 0.0, -0.4, 0.1])[region]
    shape = np.array([3.0, 6.0, 12.0, 5.0])[region]
    amounts = draw.gamma(shape, np.exp(level) / shape).clip(1e-3)
    inputs = np.column_stack([driver, car, power, mileage, bonus, speed, np.eye(4)[region]])
    columns = ("driver_age", "car_age", "power", "mileage", "bonus", "speed_limit", *(f"region_{name}" for name in "nesw"))
    return _as_it_is(inputs, amounts, seed, columns)


def solutions(seed: int) -> Data:
    """6,000 trials of dissolving a powder, eight columns, and the share that dissolved: a beta density, sharper where it was stirred."""
    draw = np.random.default_rng(233)
    warm, stirred = draw.uniform(5, 90, size=6000), draw.uniform(0, 600, size=6000)
    acid, grain = draw.uniform(2, 11, size=6000), draw.lognormal(4.0, 0.6, size=6000)
    minutes, polarity = draw.exponential(12, size=6000), draw.uniform(0.1, 1.0, size=6000)
    load, batch = draw.uniform(1, 40, size=6000), draw.normal(0, 1, size=6000)
    level = 0.035 * (warm - 45) + 1.2 * np.log1p(minutes / 6) - 0.7 * (np.log(grain) - 4) - 0.25 * (acid - 6.5) ** 2 / 2
    level += 1.5 * (polarity - 0.5) - 0.04 * (load - 20)
    share, sharp = 1 / (1 + np.exp(-level)), 8 + 60 * stirred / 600
    shares = draw.beta(share * sharp, (1 - share) * sharp).clip(0.002, 0.998)
    inputs = np.column_stack([warm, stirred, acid, grain, minutes, polarity, load, batch])
    columns = ("temperature", "rpm", "ph", "grain", "minutes", "polarity", "load", "batch_offset")
    return _as_it_is(inputs, shares, seed, columns)


def deliveries(seed: int) -> Data:
    """6,000 deliveries of ten columns and how long they took, whose delays have a long tail in the rush: a regression."""
    draw = np.random.default_rng(239)
    far, stops = draw.gamma(2.0, 3.0, size=6000), draw.integers(1, 12, size=6000)
    hour, heavy = draw.uniform(7, 20, size=6000), draw.lognormal(1.5, 0.4, size=6000)
    floor, lift, rain = draw.integers(0, 8, size=6000), draw.integers(0, 2, size=6000), draw.exponential(1.0, size=6000)
    years, night, bike = draw.uniform(0, 15, size=6000), draw.normal(0, 1, size=6000), draw.integers(0, 2, size=6000)
    rush = np.exp(-(((hour - 8.5) / 1.3) ** 2)) + np.exp(-(((hour - 17.5) / 1.6) ** 2))
    pace = np.where(bike, 3.2 + 0.5 * rain, 2.2 + 2.6 * rush)
    minutes = far * pace + 3.0 * stops + (1 - lift) * floor * (0.5 + 0.08 * heavy) - 0.3 * years
    minutes += draw.exponential(2.0 + 5.0 * rush)
    inputs = np.column_stack([far, stops, hour, heavy, floor, lift, rain, years, night, bike])
    columns = ("distance", "stops", "hour", "weight", "floor", "lift", "rain", "years", "humidity", "bike")
    return dealt(inputs, minutes, seed, columns=columns, per_column=True)


MOTORS = ("sound", "unbalanced", "misaligned", "loose", "outer_race", "inner_race")


def motors(seed: int) -> Data:
    """4,800 electric motors: speed, load, heat, current, and vibration at fourteen frequencies, which grows with speed and fault."""
    draw = np.random.default_rng(241)
    labels = np.arange(4800) % len(MOTORS)
    speed, load = draw.uniform(0.5, 1.5, size=4800), draw.uniform(0.2, 1.0, size=4800)
    severity = draw.uniform(0.6, 1.6, size=4800)
    shapes = np.zeros((len(MOTORS), 14))
    for kind, places in enumerate(((), (0,), (0, 1, 2), (0, 2, 3, 4, 5), (6, 7, 8), (6, 9, 10, 11))):
        shapes[kind, list(places)] = draw.uniform(0.7, 1.4, size=len(places))
    grown = severity[:, None] * speed[:, None] ** 1.5 * shapes[labels] * (0.6 + 0.6 * load[:, None])
    vibration = np.log(0.3 + grown + draw.gamma(2.0, 0.08, size=(4800, 14)) * speed[:, None]) + draw.normal(0, 0.25, size=(4800, 14))
    heat = 30 + 25 * load + 6 * severity * (labels >= 4) + draw.normal(0, 4, size=4800)
    current = 2 + 6 * load * speed + draw.normal(0, 0.4, size=4800)
    inputs = np.column_stack([speed * 1500, load, heat, current, vibration])
    columns = ("rpm", "load", "heat", "current", *(f"order_{place + 1:02d}" for place in range(14)))
    return dealt(inputs, labels.astype(np.int64), seed, MOTORS, columns, per_column=True)


TRAITS = (("cap", 5), ("gills", 4), ("odour", 6), ("ring", 3), ("stalk", 4), ("spores", 5), ("habitat", 4), ("bruises", 3))


def mushrooms(seed: int) -> Data:
    """6,000 mushrooms of eight traits as 34 columns of 0 and 1; which half is poisonous goes by pairs of traits more than by one."""
    draw = np.random.default_rng(251)
    chosen = np.concatenate([np.eye(size)[draw.integers(0, size, size=6000)] for _, size in TRAITS], axis=1)
    hidden, alone = draw.normal(0, 1.0, size=(chosen.shape[1], 3)), draw.normal(0, 0.7, size=chosen.shape[1])
    together = chosen @ hidden
    score = chosen @ alone + 0.5 * (together**2 - chosen @ hidden**2).sum(axis=1)
    poisonous = score + draw.logistic(0, 0.6, size=6000) > np.median(score)
    columns = tuple(f"{name}_{kind}" for name, size in TRAITS for kind in range(size))
    return dealt(chosen, poisonous.astype(np.int64), seed, ("edible", "poisonous"), columns, per_column=True)


STARS = ("white_dwarf", "red_dwarf", "main_sequence", "giant", "supergiant")


def stars(seed: int) -> Data:
    """5,000 stars of five kinds: magnitudes in five bands, reddened by dust, parallax and motion."""
    draw = np.random.default_rng(257)
    labels = np.arange(5000) % len(STARS)
    warm = 10 ** np.array([4.05, 3.52, 3.82, 3.66, 3.95])[labels] * np.exp(draw.normal(0, 0.2, size=5000))
    bright = np.array([11.5, 10.0, 4.5, 0.5, -5.0])[labels] + draw.normal(0, 1.5, size=5000) - 4 * (np.log10(warm) - 3.8) * (labels == 2)
    parsecs = 10 ** draw.uniform(1.0, 2.6, size=5000)
    dust = draw.exponential(0.25, size=5000)
    waves = np.array([0.36, 0.48, 0.62, 0.75, 0.89])
    glow = waves**-5 / (np.exp(14.39 / (waves * warm[:, None] / 1000)) - 1)
    colour = -2.5 * np.log10(glow / glow[:, 2:3])
    bands = (bright + 5 * np.log10(parsecs) - 5)[:, None] + colour + dust[:, None] * (0.62 / waves) + draw.normal(0, 0.1, size=(5000, 5))
    parallax = np.log10(1000 / parsecs) + draw.normal(0, 0.2, size=5000)
    motion = np.log10(draw.rayleigh(30, size=5000) / parsecs + 0.01)
    inputs = np.column_stack([bands, parallax, motion])
    columns = ("u", "g", "r", "i", "z", "log_parallax", "log_motion")
    return dealt(inputs, labels.astype(np.int64), seed, STARS, columns, per_column=True)
