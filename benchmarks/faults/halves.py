"""Gradients in float16 under a scaler that behaves, and is saved, as torch's does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(slots=True)
class Scaler:
    """`torch.amp.GradScaler` for gradients that were made in float32: what float16 cannot hold is lost as it would be."""

    scale: float = 65536.0
    growth_interval: int = 2000
    tracker: int = 0

    @torch.no_grad()
    def passes(self, parameters: Iterable[nn.Parameter]) -> bool:
        """Put the gradients through float16 at the present scale; whether all are finite. Then set the scale for the next step."""
        sound = True
        for each in parameters:
            if each.grad is not None:
                scaled = (each.grad * self.scale).half()
                sound = sound and bool(torch.isfinite(scaled).all())
                each.grad.copy_(scaled.float() * float(1 / torch.tensor(self.scale)))
        self.tracker = self.tracker + 1 if sound else 0
        if not sound:
            # Kept in float32 as torch keeps it: after 165 halvings it is 0, and what is divided by it is NaN.
            self.scale = float(torch.tensor(self.scale * 0.5))
        elif self.tracker == self.growth_interval:
            self.scale, self.tracker = self.scale * 2, 0
        return sound

    def state_dict(self) -> dict[str, float]:
        """As torch saves it."""
        return {
            "scale": self.scale, "growth_factor": 2.0, "backoff_factor": 0.5,
            "growth_interval": self.growth_interval, "_growth_tracker": self.tracker,
        }  # fmt: skip

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        self.scale, self.tracker = float(state["scale"]), int(state["_growth_tracker"])
