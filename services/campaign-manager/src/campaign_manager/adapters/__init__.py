"""What the campaign-manager reaches outside of Redis."""
