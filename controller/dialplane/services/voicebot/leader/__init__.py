"""The leader: which bots there are, who serves them, and what people are shown of it."""
