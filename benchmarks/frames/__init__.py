"""Benchmark of data frames against those made by hand."""
