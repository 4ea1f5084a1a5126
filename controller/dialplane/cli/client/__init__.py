"""How the commands reach the API: where it is, the client, its events, and what the shell completes out of it."""
