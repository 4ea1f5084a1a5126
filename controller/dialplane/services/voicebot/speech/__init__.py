"""Speech: what understands and what speaks, each provider behind the interfaces of `contract`."""
