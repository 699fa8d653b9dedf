"""Metrics: their files, registry, computes and history."""
