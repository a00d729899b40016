"""How messages travel: settings, logs, broker, keyed batches, outbox and probes."""
