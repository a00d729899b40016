"""A telephone network on loopback that speaks the Asterisk REST Interface."""
