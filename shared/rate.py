"""Rates per caller: the generic cell rate algorithm, kept in this process, so N processes allow N times as much."""


class RateLimit:
    """Allows `per_s` units a second with bursts of `burst`; forgets callers whose time has passed.

    Source: ITU-T I.371, GCRA in its virtual scheduling form: one number a caller, the theoretical arrival time.
    """

    def __init__(self, per_s: float, burst: int, max_callers: int = 50_000) -> None:
        self._interval_s = 1 / per_s
        self._slack_s = burst * self._interval_s
        self._max_callers = max_callers
        self._due_s: dict[str, float] = {}

    def take(self, caller: str, now_s: float, units: int = 1) -> float:
        """Return 0 and count `units`, or the seconds to wait when there is no room for them."""
        wait = self.wait_s(caller, now_s, units)
        if wait > 0:
            return wait
        if len(self._due_s) >= self._max_callers:
            self._due_s = {known: due for known, due in self._due_s.items() if due > now_s}
        self._due_s[caller] = max(self._due_s.get(caller, now_s), now_s) + units * self._interval_s
        return 0.0

    def wait_s(self, caller: str, now_s: float, units: int = 1) -> float:
        """Return the seconds until `units` more would be allowed, without counting them."""
        due = max(self._due_s.get(caller, now_s), now_s)
        return max(0.0, due + units * self._interval_s - self._slack_s - now_s)
