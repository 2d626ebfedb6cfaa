"""The kinds of failure; a kind says what happens next.

PulselineError
├── Reject            this one input is bad: refuse it at the edge, dead-letter it in a processor; neighbours go on
├── Unavailable       a dependency does not answer: retry with back-off, answer 503 with Retry-After; nothing is lost
└── Stop              the process cannot go on correctly (bug, poison flood, wrong topics): end it loudly
"""


class PulselineError(Exception):
    """Base of every error the product raises on purpose."""


class Reject(PulselineError):
    """One input is bad for good.

    `pointer` is the RFC 6901 JSON pointer of the offending member ("" is the whole document); `reason` is plain text.
    """

    def __init__(self, reason: str, pointer: str = "") -> None:
        super().__init__(f"{pointer or '/'}: {reason}")
        self.reason = reason
        self.pointer = pointer


class Unavailable(PulselineError):
    """A dependency is down for now; `dependency` names it and `retry_after_s` is a hint for the caller."""

    def __init__(self, dependency: str, detail: str = "", retry_after_s: int = 2) -> None:
        super().__init__(f"{dependency} is unavailable{': ' + detail if detail else ''}")
        self.dependency = dependency
        self.retry_after_s = retry_after_s


class Stop(PulselineError):
    """Going on would be wrong; the supervisor restarts the process or a person looks at it."""
