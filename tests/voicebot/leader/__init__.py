"""The leader's half of bots."""
