"""What the assistant may know, and who may know it."""
