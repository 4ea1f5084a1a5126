"""The kinds: what a manifest may say, and what its status says back.

One module per kind; `kinds.py` lists them. Everything here is pure data and pure functions, and imports
nothing else of Dialplane: every other package may import this one.
"""
