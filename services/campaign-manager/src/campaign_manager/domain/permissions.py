"""Permission bits, and who may give them: nobody gives what he has not got."""

ALL_PERMISSIONS = 65_535
CUSTOMER_AGENT = 16
CUSTOMER_ADMIN = 32
CUSTOMER_MANAGER = 64
CUSTOMER_ALL = 240


def may_manage(permission: int) -> bool:
    """Whether campaigns, agents and all that belongs to them are open to this permission."""
    return bool(permission & (CUSTOMER_ADMIN | CUSTOMER_MANAGER))


def may_administer(permission: int) -> bool:
    """Whether access keys are open to this permission."""
    return bool(permission & CUSTOMER_ADMIN)


def may_give(permission: int, given: int) -> bool:
    """Whether an agent with one permission may make, or change, an agent with the other.

    An admin stands above everyone of the customer, a manager above plain agents and managers.
    """
    own = permission
    if permission & CUSTOMER_ADMIN:
        own |= CUSTOMER_ALL
    if permission & CUSTOMER_MANAGER:
        own |= CUSTOMER_AGENT
    return not given & ~own
