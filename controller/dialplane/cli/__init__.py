"""The `dialplane` command."""
