"""Benchmarks that print tables; run by hand, or by `make bench`. No test asserts a time."""
