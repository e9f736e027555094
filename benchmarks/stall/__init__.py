"""Benchmark of how long queries of years keep the event loop from other tasks."""
