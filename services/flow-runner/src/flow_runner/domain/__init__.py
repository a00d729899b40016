"""The flow-runner decides here: no I/O, clock, chance or log."""
