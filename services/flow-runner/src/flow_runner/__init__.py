"""Runs the actions of a flow: a pure interpreter that speaks in commands."""
