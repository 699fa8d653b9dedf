"""The domain of Heartbeat and its storage: no Dagster, no FastAPI."""
