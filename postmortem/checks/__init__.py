"""Symptoms, one file each: a measured number against a threshold with its source."""
