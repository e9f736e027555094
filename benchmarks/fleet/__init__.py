"""Simulation of a month of fleets under several policies."""
