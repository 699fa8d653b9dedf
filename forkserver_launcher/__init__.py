"""A Dagster run launcher that forks each run from a process that has loaded the code already."""
