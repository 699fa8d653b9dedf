"""What an author should know of a metric's file beyond that it can be used."""
