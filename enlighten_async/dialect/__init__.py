"""What both versions of the API have in common: ranges cut into windows, answers read, parts joined."""
