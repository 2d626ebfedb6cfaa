"""A rate limit per key: the generic cell rate algorithm, in process (several processes each allow the full rate)."""


class RateLimit:
    """Allows `per_s` units a second with bursts of `burst`; keeps one number per key and forgets idle keys.

    Source: ITU-T I.371 GCRA in its virtual scheduling form.
    """

    def __init__(self, per_s: float, burst: int, max_keys: int = 10_000) -> None:
        self._interval_s = 1.0 / per_s
        self._tolerance_s = burst * self._interval_s
        self._max_keys = max_keys
        self._arrival_s: dict[str, float] = {}

    def wait_s(self, key: str, units: int, now_s: float) -> float:
        """Return 0 and count `units` for `key` if they are allowed now, else the seconds until they would be."""
        arrival = max(self._arrival_s.get(key, now_s), now_s)
        wait = arrival - now_s + units * self._interval_s - self._tolerance_s
        if wait > 0:
            return wait
        if len(self._arrival_s) >= self._max_keys:
            self._arrival_s = {k: at for k, at in self._arrival_s.items() if at > now_s}
        self._arrival_s[key] = arrival + units * self._interval_s
        return 0.0
