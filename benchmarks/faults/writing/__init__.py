"""How trainers leave a training on the disk."""
