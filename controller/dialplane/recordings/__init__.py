"""Recordings of calls: the proof that Asterisk can write them, and the deletion of old ones.

A service of the site: imports `resources` and `asterisk`, never another service.
"""
