"""The whole of Heartbeat on one machine: which processes there are, and keeping them up."""
