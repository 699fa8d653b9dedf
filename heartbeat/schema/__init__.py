"""The schema `heartbeat` of the marts database, as versioned migrations."""
