"""What MLflow and Weights & Biases keep on disk."""
