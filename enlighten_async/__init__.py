"""Async Python SDK for the Enphase Enlighten Systems API."""
