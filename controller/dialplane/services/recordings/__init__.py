"""Recordings of calls: the proof that Asterisk can write them, and the deletion of old ones."""
