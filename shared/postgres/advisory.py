"""The advisory locks of the database, numbered in one place: of two with one number each would hold up the other."""

from enum import IntEnum, unique


@unique
class AdvisoryLock(IntEnum):
    """Locks by a number that nothing else in the product uses; the last two are classes of locks by two numbers."""

    MIGRATIONS = 7_305_001
    INTERACTION_MONTHS = 7_305_002
    ALERT_LOG = 7_305_003
    JOINS = 7_305_004
    BUYERS = 7_305_005
    ALERT_RECORDS = 7_305_006
    SERVED = 7_305_007
    LEASED_PARTITION = 7_305_010
    LEASE_MEMBER = 7_305_011
