"""What can be wrong with a request; the API turns each into its answer."""

from chassis.errors import Refused


class Missing(Refused):
    """There is no such thing, or it is someone else's: both look alike."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"there is no such {kind}")
        self.kind = kind


class Invalid(Refused):
    """A field of the request is wrong."""

    def __init__(self, field: str, why: str, code: str = "INVALID_ARGUMENT") -> None:
        super().__init__(f"{field}: {why}")
        self.field, self.why, self.code = field, why, code


class Conflict(Refused):
    """It cannot be done as things stand."""


class Taken(Refused):
    """Something of that name is there already."""


class Forbidden(Refused):
    """Whoever asks has not got the permission."""
