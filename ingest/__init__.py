"""Bring documents into the corpus."""
