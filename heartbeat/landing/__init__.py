"""Landing: a source system's tables, exactly as they are, into the marts database."""
