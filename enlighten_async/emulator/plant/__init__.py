"""What stands on the roofs, and what it measures: the truth behind every answer, made up from a seed."""
