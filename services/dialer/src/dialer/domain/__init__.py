"""The dialer decides here: no I/O, clock, chance or log."""
