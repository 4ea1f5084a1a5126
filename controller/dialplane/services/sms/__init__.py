"""Text messages: modems, the inbox, the outbox."""
