"""What the user must know and can do something about."""


class CannotGoOn(Exception):
    """The command cannot do what was asked for; the text says why and what to do."""
