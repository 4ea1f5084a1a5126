"""The dialogue of a bot: a pure machine of steps and answers, and what a dialogue is tested and drawn with."""
