"""`python -m heartbeat`: the command line."""

from heartbeat.cli import main

main()
