"""How messages travel: settings, logs, traces, broker, keyed batches, outbox and probes."""
