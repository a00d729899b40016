"""A single-node broker that speaks the Kafka protocol, for development only."""
