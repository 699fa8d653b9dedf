"""The hand count: every metric's true value, counted from the bank's events and never in SQL.

It takes the bank's own lists of what happened, in Python, by the definition in each metric's
`methodology`. Days are UTC days.
"""

from demo_bank.truth.count import true_values, truth

__all__ = ["true_values", "truth"]
