"""What the ports are in earnest."""
