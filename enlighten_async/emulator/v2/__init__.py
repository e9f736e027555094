"""Version 2 of the service, in which the API key and a user id open everything; ended in 2024."""
