"""Bots that speak with callers."""
