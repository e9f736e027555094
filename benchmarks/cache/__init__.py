"""Cached answers, requested again: time to read and to write them, and memory of long streams."""
