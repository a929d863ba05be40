"""Let a person ask and read."""
