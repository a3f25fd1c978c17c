"""Tables of the field and the line, simulated: soils, faults of a grid, beans, wells, leaving customers, flows, concrete, yields, pumps.

As in `sources.py` a seed deals the records out to training and validation; what is made is the same for every seed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from faults.nouns import Data
from faults.sources import Floats, dealt

SOILS = ("sand", "sandy_loam", "loam", "silt", "sandy_clay", "clay_loam", "clay")


def soils(seed: int) -> Data:
    """6,000 samples of soil: reflectance at fourteen wavelengths, humus, water, acidity, and the class by the triangle of grains."""
    draw = np.random.default_rng(307)
    shares = draw.dirichlet((1.1, 1.0, 0.9), size=6000)
    sand, silt, clay = shares.T
    labels = np.select(
        [sand > 0.7, clay > 0.4, silt > 0.6, (clay > 0.22) & (sand > 0.45), sand > 0.5, clay > 0.25], [0, 6, 3, 4, 1, 5], default=2
    )
    humus, water, acid = draw.gamma(2.0, 0.8, size=6000), draw.beta(2, 4, size=6000), draw.normal(6.3, 0.7, size=6000)
    waves = np.linspace(0.4, 2.4, 14)
    grains = np.stack([0.25 + 0.3 * np.sqrt(waves), 0.2 + 0.2 * waves, 0.45 + 0.1 * waves - 0.25 * np.exp(-(((waves - 2.2) / 0.2) ** 2))])
    dark = humus[:, None] * np.exp(-waves) * 0.35 + water[:, None] * (0.2 + 0.9 * np.exp(-(((waves - 1.9) / 0.25) ** 2)))
    reflected = (shares @ grains) * np.exp(-dark) + draw.normal(0, 0.006, size=(6000, 14))
    inputs = np.column_stack([reflected, humus, water, acid])
    columns = (*(f"r_{round(1000 * wave)}" for wave in waves), "organic_carbon", "moisture", "ph")
    return dealt(inputs, labels.astype(np.int64), seed, SOILS, columns, per_column=True)


SHORTS = ("none", "ag", "bg", "cg", "ab", "bc", "ca", "abg", "bcg", "cag", "abc")


def shorts(seed: int) -> Data:
    """5,500 records of a relay on a line of three phases: voltages and currents as phasors, and which conductors are shorted."""
    draw = np.random.default_rng(311)
    labels = np.arange(5500) % len(SHORTS)
    involved = np.array([[phase in name for phase in "abc"] for name in SHORTS])[labels]
    grounded = np.array([name.endswith("g") for name in SHORTS])[labels]
    turns = np.exp(-2j * np.pi * np.arange(3) / 3)
    load, lag = draw.uniform(0.3, 1.1, size=(5500, 1)), draw.uniform(-0.5, 0.2, size=(5500, 1))
    far, resistance = draw.uniform(0.1, 0.9, size=(5500, 1)), draw.gamma(1.5, 1.2, size=(5500, 1))
    impedance = 0.06 + 0.3j * far + resistance * 0.4
    count = involved.sum(axis=1, keepdims=True).clip(1)
    voltages, currents = np.tile(turns, (5500, 1)), load * turns * np.exp(1j * lag)
    # What flows is driven by the voltages of the conductors in question, against the ground or against their mean.
    against = np.where(grounded[:, None], 0, (voltages * involved).sum(axis=1, keepdims=True) / count)
    driven = np.where((count > 1) | grounded[:, None], voltages - against, 0) * involved
    currents = currents + driven / (impedance + 0.25)
    voltages = voltages - driven * 0.25 / (impedance + 0.25)
    measured = np.concatenate([voltages, currents], axis=1)
    measured = measured * np.exp(draw.normal(0, 0.03, size=(5500, 6))) + draw.normal(0, 0.06, size=(5500, 6))
    inputs = np.column_stack([measured.real, measured.imag, np.abs(measured[:, 3:].sum(axis=1)), draw.normal(50, 0.05, size=5500)])
    names = [f"{kind}{phase}" for kind in "vi" for phase in "abc"]
    columns = (*(f"{name}_re" for name in names), *(f"{name}_im" for name in names), "i0", "hz")
    return dealt(inputs, labels.astype(np.int64), seed, SHORTS, columns, per_column=True)


BEANS = ("barbunya", "bombay", "cali", "dermason", "horoz", "seker", "sira")


def beans(seed: int) -> Data:
    """5,600 beans of seven kinds, and what a camera measures of their outline: sixteen columns that say much the same."""
    draw = np.random.default_rng(313)
    labels = np.arange(5600) % len(BEANS)
    longs = np.array([370.0, 590.0, 405.0, 245.0, 372.0, 252.0, 300.0])[labels] * np.exp(draw.normal(0, 0.06, size=5600))
    ratio = np.array([1.54, 1.58, 1.73, 1.46, 2.02, 1.24, 1.58])[labels] * np.exp(draw.normal(0, 0.05, size=5600))
    rough = np.array([0.035, 0.02, 0.018, 0.012, 0.02, 0.01, 0.014])[labels] * draw.gamma(12, 1 / 12, size=5600)
    widths = longs / ratio
    area = np.pi / 4 * longs * widths * (1 - rough)
    gap = ((longs - widths) / (longs + widths)) ** 2
    around = np.pi / 2 * (longs + widths) * (1 + 3 * gap / (10 + np.sqrt(4 - 3 * gap))) * (1 + rough)
    convex, turned = area * (1 + rough), draw.uniform(0, np.pi, size=5600)
    box = np.hypot(longs * np.cos(turned), widths * np.sin(turned)) * np.hypot(longs * np.sin(turned), widths * np.cos(turned))
    across = np.sqrt(4 * area / np.pi)
    measured = [
        area, around, longs, widths, ratio, np.sqrt(1 - ratio**-2), convex, across, area / box, area / convex,
        4 * np.pi * area / around**2, across / longs, longs / area, widths / area, area / longs**2, area / (longs * widths),
    ]  # fmt: skip
    columns = (
        "Area", "Perimeter", "MajorAxisLength", "MinorAxisLength", "AspectRatio", "Eccentricity", "ConvexArea", "EquivDiameter", "Extent",
        "Solidity", "Roundness", "Compactness", "ShapeFactor1", "ShapeFactor2", "ShapeFactor3", "ShapeFactor4",
    )  # fmt: skip
    return dealt(np.column_stack(measured), labels.astype(np.int64), seed, BEANS, columns, per_column=True)


FACIES = ("sandstone", "siltstone", "shale", "marl", "mudstone", "wackestone", "dolomite", "packstone", "bafflestone")


def facies(seed: int) -> Data:
    """4,500 depths of wells and nine kinds of rock: gamma rays, resistivity, density, neutrons, photoelectric effect, and neighbours."""
    draw = np.random.default_rng(317)
    labels = np.repeat(draw.permutation(np.arange(900) % len(FACIES)), 5)
    typical = draw.normal(0, 1.0, size=(len(FACIES), 5))
    # Logs see a bed and a little of its neighbours; tools drift from well to well.
    logs = typical[labels]
    logs = 0.6 * logs + 0.2 * np.roll(logs, 1, axis=0) + 0.2 * np.roll(logs, -1, axis=0)
    logs = logs + np.repeat(draw.normal(0, 0.15, size=(18, 5)), 250, axis=0) + draw.normal(0, 0.35, size=(4500, 5))
    above, below = np.roll(logs, 2, axis=0), np.roll(logs, -2, axis=0)
    marine = (labels > 2) ^ (draw.random(4500) < 0.08)
    scales = np.array([28.0, 0.4, 5.0, 6.0, 0.9])
    inputs = np.column_stack([logs * scales, above * scales, below * scales, marine, draw.uniform(0, 1, size=4500)])
    names = ("GR", "ILD_log10", "DeltaPHI", "PHIND", "PE")
    columns = (*names, *(f"{name}_above" for name in names), *(f"{name}_below" for name in names), "NM_M", "RELPOS")
    return dealt(inputs, labels.astype(np.int64), seed, FACIES, columns, per_column=True)


def customers(seed: int) -> Data:
    """7,000 customers of a telephone company, 17 columns, and who leaves: about three in ten, by contract, price and complaints."""
    draw = np.random.default_rng(331)
    tenure, charge = draw.gamma(1.5, 20, size=7000).clip(1, 72), draw.uniform(18, 118, size=7000)
    contract, payment = draw.choice(3, p=(0.55, 0.25, 0.2), size=7000), draw.integers(0, 4, size=7000)
    calls, minutes = draw.poisson(1.4, size=7000), draw.normal(180, 50, size=7000)
    fibre, lines, senior = draw.integers(0, 2, size=7000), draw.integers(0, 2, size=7000), draw.random(7000) < 0.16
    roaming, data_used = draw.exponential(8, size=7000), draw.lognormal(1.0, 0.8, size=7000)
    logit = 1.6 - 0.07 * tenure + np.array([1.6, -0.8, -3.0])[contract] + 0.045 * (charge - 65) * (1 - 0.7 * lines)
    logit += 1.6 * (calls > 3) + 1.4 * fibre * (charge > 70) + np.array([1.2, -0.4, -0.4, -0.8])[payment] - 0.01 * (minutes - 180)
    logit += 0.9 * senior - 0.05 * roaming - 2.3
    leaves = 1.6 * logit + draw.logistic(0, 1, size=7000) > 0
    inputs = np.column_stack(
        [tenure, charge, tenure * charge, calls, minutes, fibre, lines, senior, roaming, data_used, np.eye(3)[contract], np.eye(4)[payment]]
    )
    columns = (
        "tenure", "monthly_charges", "total_charges", "service_calls", "day_minutes", "fiber", "multiple_lines", "senior", "roaming",
        "data_gb", *(f"contract_{name}" for name in ("month", "year", "two_years")),
        *(f"payment_{name}" for name in ("check", "mail", "transfer", "card")),
    )  # fmt: skip
    return dealt(inputs.astype(np.float64), leaves.astype(np.int64), seed, ("stays", "leaves"), columns, per_column=True)


FLOWS = ("web", "video", "voice", "mail", "chat", "games", "backup", "dns", "torrent", "ssh", "iot", "updates")


def flows(seed: int) -> Data:
    """7,200 flows through a router of twelve applications, each of three habits: counts, sizes, pauses and flags in 22 columns."""
    draw = np.random.default_rng(337)
    labels = np.arange(7200) % len(FLOWS)
    habits = draw.integers(0, 3, size=7200)
    centres = draw.normal(0, 0.8, size=(len(FLOWS), 1, 22)) + draw.normal(0, 0.6, size=(len(FLOWS), 3, 22))
    # How much goes over a flow moves all counts together.
    much, along = draw.normal(0, 1.0, size=(7200, 1)), np.abs(draw.normal(0, 0.5, size=22))
    logarithm = centres[labels, habits] + much * along + draw.normal(0, 0.9, size=(7200, 22))
    inputs = np.column_stack([np.log1p(np.exp(2 + logarithm[:, :12])), logarithm[:, 12:18], np.tanh(logarithm[:, 18:])])
    columns = (
        *(f"{way}_{what}" for way in ("fwd", "bwd") for what in ("packets", "bytes", "max_len", "mean_len", "std_len", "window")),
        *(f"iat_{what}" for what in ("mean", "std", "max", "min", "active", "idle")), "syn", "psh", "ack", "down_up",
    )  # fmt: skip
    return dealt(inputs, labels.astype(np.int64), seed, FLOWS, columns, per_column=True)


def concretes(seed: int) -> Data:
    """3,600 mixtures of concrete and their strength in megapascal: Abrams' law, age, and a few cylinders that were cast badly."""
    draw = np.random.default_rng(347)
    cement, slag, ash = draw.uniform(120, 520, size=3600), draw.gamma(1.0, 70, size=3600), draw.gamma(1.0, 50, size=3600)
    water, plastic = draw.normal(182, 20, size=3600), draw.gamma(1.2, 5, size=3600)
    coarse, fine, age = draw.normal(970, 75, size=3600), draw.normal(770, 75, size=3600), np.exp(draw.uniform(1.0, 5.0, size=3600))
    binder = cement + 0.7 * slag + 0.4 * ash
    strength = 110 / 6.0 ** (1.3 * (water - 1.5 * plastic) / binder) * (age / (4 + 0.85 * age)) ** 0.7
    strength += 0.01 * (coarse - 970) - 0.00012 * (fine - 770) ** 2 + draw.normal(0, 2.5, size=3600)
    strength *= np.where(draw.random(3600) < 0.03, draw.uniform(0.4, 0.8, size=3600), 1.0)
    columns = ("cement", "slag", "fly_ash", "water", "superplasticizer", "coarse_aggregate", "fine_aggregate", "age")
    inputs = np.column_stack([cement, slag, ash, water, plastic, coarse, fine, age])
    return dealt(inputs, strength, seed, columns=columns, per_column=True)


def batches(seed: int) -> Data:
    """6,000 batches of a reactor of nine columns and their yield, which scatters the more the hotter and the less stirred it was."""
    draw = np.random.default_rng(349)
    hot, hours, catalyst = draw.uniform(40, 120, size=6000), draw.gamma(3, 1.2, size=6000), draw.uniform(0.5, 5, size=6000)
    ratio, stirred, pressure = draw.uniform(0.8, 1.6, size=6000), draw.uniform(0, 1, size=6000), draw.uniform(1, 8, size=6000)
    water, old, shift = draw.exponential(0.3, size=6000), draw.uniform(0, 30, size=6000), draw.integers(0, 2, size=6000)
    speed = catalyst * np.exp(0.045 * (hot - 80)) * np.exp(-old / 40)
    made = (1 - np.exp(-speed * hours / 3)) * np.exp(-0.00006 * np.maximum(hot - 85, 0) ** 2 * hours) - 0.12 * water
    made += 0.1 * np.tanh(3 * (ratio - 1)) + 0.015 * pressure * (1 - catalyst / 10)
    scatter = 0.02 + 0.1 * (1 - stirred) ** 2 * (hot / 120) ** 2
    inputs = np.column_stack([hot, hours, catalyst, ratio, stirred, pressure, water, old, shift])
    columns = ("temperature", "hours", "catalyst", "ratio", "stirring", "pressure", "water", "catalyst_age", "shift")
    return dealt(inputs, made + scatter * draw.standard_normal(6000), seed, columns=columns, per_column=True)


def pumps(seed: int) -> Data:
    """6,000 pumps of ten columns and the years that they ran: Weibull's law, its shape by make. Who still ran has minus the years."""
    draw = np.random.default_rng(353)
    load, heat, dust = draw.uniform(0.2, 1.1, size=6000), draw.normal(45, 12, size=6000), draw.exponential(1.0, size=6000)
    shake, starts, greased = draw.gamma(2, 1.0, size=6000), draw.poisson(6, size=6000), draw.uniform(0, 12, size=6000)
    make, head = draw.integers(0, 3, size=6000), draw.uniform(5, 80, size=6000)
    log_scale = 0.6 - 1.5 * np.maximum(load - 0.7, 0) - 0.02 * (heat - 45) - 0.22 * dust * (load > 0.5) - 0.18 * shake
    log_scale += np.array([0.5, 0.0, -0.5])[make] - 0.05 * greased - 0.04 * (starts - 6)
    lived = np.exp(log_scale) * draw.weibull(np.array([4.0, 2.5, 3.2])[make])
    watched = draw.uniform(0.3, 3.0, size=6000)
    years: Floats = np.where(lived <= watched, lived, -watched).astype(np.float64)
    years = np.sign(years) * np.abs(years).clip(0.01)
    inputs = np.column_stack([load, heat, dust, shake, starts, greased, head, np.eye(3)[make]])
    columns = ("load", "heat", "dust", "vibration", "starts", "months_since_grease", "head", "make_a", "make_b", "make_c")
    # The years stay as they are: a density of lifetimes needs them so.
    data = dealt(inputs, np.arange(6000, dtype=np.int64), seed, columns=columns, per_column=True)
    return replace(data, targets=torch.tensor(years, dtype=torch.float32)[data.targets])
