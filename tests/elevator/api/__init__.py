"""Tests of the paths about devices, and of the commands in front of them."""
