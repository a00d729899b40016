"""Owns definitions and the life of campaigns; serves the REST API."""
