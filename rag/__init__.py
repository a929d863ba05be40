"""Answer questions from the corpus."""
