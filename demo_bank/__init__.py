"""The simulated bank: it stands in for the source clusters in the demo and in tests."""

from demo_bank.seeding import AlreadySeededError, is_seeded, seed

__all__ = ["AlreadySeededError", "is_seeded", "seed"]
