"""The replicas: calls of bots, their media, and how a call goes."""
