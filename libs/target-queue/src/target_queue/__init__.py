"""The Redis queue of targets: add, claim, settle, reap."""
