"""How fast Dialplane is, measured against yardsticks in the same run: see README.md in this folder.

`python -m bench run` measures, `python -m bench soak` looks for growth. Everything runs as users run it: the real
Asterisk, the real API server, the controller as a process of its own, watched from outside. Nothing in
`controller/` may import this.
"""
