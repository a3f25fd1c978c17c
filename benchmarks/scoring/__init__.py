"""Scores the diagnosis on the fault corpus, and fits the weights of its evidence on the tuning half."""
