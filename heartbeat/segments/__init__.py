"""Which clients belong together: one snapshot a business day."""
