"""Turn taking: who speaks, when an answer is over, and when a caller interrupts. Pure: frames in, events out."""
