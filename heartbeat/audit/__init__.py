"""Audit cuts: their modules, snapshots and pictures."""
