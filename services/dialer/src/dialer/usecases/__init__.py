"""What the dialer does: load, decide, commit."""
