"""The tables of the calls of bots."""
