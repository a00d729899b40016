"""Takes targets from Redis, places calls, emits call events."""
