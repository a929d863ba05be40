"""Bytes to blocks, one module per family of formats."""
