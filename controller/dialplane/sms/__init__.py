"""Text messages: modems, the inbox, the outbox.

A service of the site: imports `resources`, `asterisk` and `store`, never another service.
"""
