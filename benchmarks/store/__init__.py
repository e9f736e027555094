"""What was bought, asked for again: how fast it is there, and how little of it is in memory at a time."""
