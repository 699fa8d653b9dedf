"""One path from a click, a schedule or a program to new numbers: a job is a Dagster run."""
