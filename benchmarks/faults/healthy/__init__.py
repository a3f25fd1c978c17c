"""Healthy trainings that look sick to a naive rule. Each file declares `TRAPS`, and is found by walking this folder."""
