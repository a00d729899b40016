"""What messages mean: envelope, events, commands, resources and topics."""
