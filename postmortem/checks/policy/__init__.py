"""Symptoms in policies that learn from rewards."""
