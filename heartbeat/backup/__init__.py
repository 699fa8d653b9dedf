"""One file that holds what Heartbeat knows, and the way back."""
