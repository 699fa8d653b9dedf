"""What stands before every web server of Heartbeat: hosts, operators, limits."""
