"""TensorBoard event files: bytes -> records -> columns, histograms and settings -> trainings."""
