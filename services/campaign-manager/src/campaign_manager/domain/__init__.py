"""The campaign-manager decides here: no I/O, clock, chance or log."""
