"""Benchmark of how costs grow with the number of rows, and with the number of queries."""
