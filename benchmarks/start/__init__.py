"""How long a program takes to start: imports, the first client, the first answer."""
