"""Manifests that are documents: one JSON or YAML file that describes a data set, alone or with the files that it names."""
