"""Two pictures laid over each other: what could agree, what agrees, what differs, and the word for it."""
