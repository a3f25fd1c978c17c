"""Weights of evidence in log-odds (nats), fitted on the tuning half of the fault corpus. Generated; do not edit."""

from __future__ import annotations

from collections.abc import Mapping

WEIGHTS: Mapping[str, Mapping[str, float]] = {}
