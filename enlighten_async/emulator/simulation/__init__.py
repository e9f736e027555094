"""The simulation: systems, their devices and measurements, generated from a seed."""
