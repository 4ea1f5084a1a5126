"""Replicas of bots: their calls on a real Asterisk, and what needs none."""
