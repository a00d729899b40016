"""What the flow-runner does: load, step, commit."""
