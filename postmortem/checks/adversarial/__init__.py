"""Symptoms in adversarial pairs."""
