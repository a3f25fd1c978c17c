"""Asks public tools what they make of a run, and puts their findings in terms of causes."""
