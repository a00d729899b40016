"""What the campaign-manager does: load, decide, commit, await."""
