"""Dagster's web server behind a guard: it has no login of its own, and a browser can reach it."""
