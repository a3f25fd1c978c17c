"""Dataset manifests: tables of records -> counts by class and split."""
