"""Tests of the paths about bots."""
