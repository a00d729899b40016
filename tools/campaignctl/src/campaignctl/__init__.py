"""The command line: up, demo and watch."""
