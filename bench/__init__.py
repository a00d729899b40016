"""Measurements: ratios against a raw limit or a peer in the same run, written to RESULTS.md."""
