"""The same work through well-known queues and through our dialing core, side by side."""
