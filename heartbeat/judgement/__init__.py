"""What a number means: status, freshness, signal, typical bands; rules without a database."""
