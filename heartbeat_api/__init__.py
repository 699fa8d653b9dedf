"""The reading side: JSON of the metrics and audit cuts, the wall, and the pages behind it."""
