"""Checkpoints of every framework: containers -> tensors and optimizers, by name and in depth order."""
