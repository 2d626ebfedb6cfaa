"""How many of something, as a person says it."""


def counted(n: int, noun: str) -> str:
    """Return "1 row", or "3 rows"; for nouns that take an s.

    >>> counted(1, "row"), counted(0, "row")
    ('1 row', '0 rows')
    """
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
