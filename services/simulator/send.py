"""Sending a plan: history as fast as it is taken, a day at a time; then the live tail at the asked pace."""

import asyncio
import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
import msgspec

from services.simulator.connections import Accounts
from services.simulator.fault import Planned
from services.simulator.life.model import DAY_MS, HOUR_MS
from services.simulator.provider.catalogue import PROVIDERS
from services.simulator.provider.model import Signed
from shared.clock import Clock
from shared.errors import PulselineError

_LANES: Final = 24
_BATCH: Final = 2_000
_ATTEMPTS: Final = 12
_LONGEST_WAIT_S: Final = 5.0
_MAX_SURPRISES: Final = 20


class SendError(PulselineError):
    """The system did not take a delivery within all retries; the message says which and why."""


@dataclass(slots=True)
class Outcome:
    """What was sent and what came back. `answers` counts (fault, expected status, status answered)."""

    sent: Counter[str] = field(default_factory=Counter)
    answers: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    n_requests: int = 0
    seconds: float = 0.0

    def note(self, planned: Planned, status: int, detail: str) -> None:
        delivery = planned.step.delivery
        self.sent[delivery.provider if delivery is not None else "own"] += 1
        self.answers[(planned.fault or "sound", planned.expects, status)] += 1
        if status != planned.expects and len(self.surprises) < _MAX_SURPRISES:
            self.surprises.append(f"{planned.step.key}: {status}, expected {planned.expects}: {detail[:200]}")

    @property
    def n_unexpected(self) -> int:
        return sum(n for (_, expected, status), n in self.answers.items() if expected != status)


class Sender:
    """Sends to one ingest service; `tell` is called with the share done and the simulated instant reached."""

    def __init__(
        self,
        url: str,
        api_key: str,
        accounts: Accounts,
        clock: Clock,
        *,
        public_url: str = "",
        tell: Callable[[float, int], None] = lambda _share, _at_ms: None,
    ) -> None:
        self._url = url.rstrip("/")
        self._public_url = (public_url or url).rstrip("/")
        self._api_key = api_key
        self._accounts = accounts
        self._clock = clock
        self._tell = tell
        self.outcome = Outcome()

    async def run(self, plan: Sequence[Planned], tail_ms: int, speed: float) -> Outcome:
        """Send everything; the part from `tail_ms` on at `speed` simulated seconds a second (0: without waiting).

        Raises SendError.
        """
        began = self._clock.monotonic()
        tail_began: float | None = None
        limits = httpx2.Limits(max_connections=_LANES + 8, max_keepalive_connections=_LANES + 8)
        async with httpx2.AsyncClient(limits=limits, timeout=60.0, trust_env=False) as http:
            n_done = 0
            for send_ms, together in slices(plan, tail_ms, is_paced=speed > 0):
                if send_ms >= tail_ms and speed > 0:
                    tail_began = self._clock.monotonic() if tail_began is None else tail_began
                    due = tail_began + (send_ms - tail_ms) / 1000 / speed
                    await asyncio.sleep(max(due - self._clock.monotonic(), 0))
                await self._send_together(http, together)
                n_done += len(together)
                self._tell(n_done / len(plan), send_ms)
        self.outcome.seconds = self._clock.monotonic() - began
        return self.outcome

    async def _send_together(self, http: httpx2.AsyncClient, together: Sequence[Planned]) -> None:
        """Send a slice: own events in batches; deliveries side by side, those of one person one after the other."""
        batch: list[Planned] = []
        lanes: dict[int, list[Planned]] = defaultdict(list)
        for planned in together:
            if planned.step.delivery is None and not planned.damage:
                batch.append(planned)
            else:
                lanes[planned.step.person % _LANES].append(planned)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_batches(http, batch))
            for lane in lanes.values():
                group.create_task(self._send_lane(http, lane))

    async def _send_batches(self, http: httpx2.AsyncClient, batch: Sequence[Planned]) -> None:
        for start in range(0, len(batch), _BATCH):
            chunk = batch[start : start + _BATCH]
            response = await self._post_events(http, [planned.step.event for planned in chunk])
            rejected = {one["index"]: one for one in response.json().get("rejected", [])}
            for index, planned in enumerate(chunk):
                status = (
                    422 if index in rejected else (202 if response.status_code in (202, 422) else response.status_code)
                )
                self.outcome.note(planned, status, str(rejected.get(index, response.text)))

    async def _send_lane(self, http: httpx2.AsyncClient, lane: Sequence[Planned]) -> None:
        for planned in lane:
            if planned.step.delivery is None:
                response = await self._post_events(http, [planned.step.event])
            else:
                response = await self._deliver(http, planned)
            self.outcome.note(planned, response.status_code, response.text)

    async def _post_events(self, http: httpx2.AsyncClient, events: list[Any]) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self._api_key}", "Content-Type": "application/json"}
        body = msgspec.json.encode(events)
        return await self._post(http, f"{self._url}/v1/events", lambda: Signed(body=body, headers=headers))

    async def _deliver(self, http: httpx2.AsyncClient, planned: Planned) -> httpx2.Response:
        delivery = planned.step.delivery
        if delivery is None:
            raise ValueError("an own event is no delivery")
        account = self._accounts[delivery.provider]
        provider = PROVIDERS[delivery.provider]
        secrets = account.secrets
        if planned.damage == "forged":
            # A key of the right form that is not the account's.
            secrets, _ = provider.make_secrets(lambda n: b"\x17" * n)
        path = f"/v1/channels/{account.connection_id}"

        def sign() -> Signed:
            # Signed anew at every attempt: the proof says when it was sent, not when the thing happened.
            return provider.sign(delivery, secrets, self._public_url + path, self._clock.now())

        return await self._post(http, self._url + path, sign)

    async def _post(self, http: httpx2.AsyncClient, url: str, sign: Callable[[], Signed]) -> httpx2.Response:
        problem = ""
        for attempt in range(_ATTEMPTS):
            signed = sign()
            target = f"{url}?{signed.query}" if signed.query else url
            wait_s = min(0.1 * 2.0**attempt, _LONGEST_WAIT_S)
            try:
                response = await http.post(target, content=signed.body, headers=signed.headers)
                self.outcome.n_requests += 1
                if response.status_code != 429 and response.status_code < 500:
                    return response
                problem = f"{response.status_code} {response.text[:200]}"
                if (after := response.headers.get("retry-after", "")).isdigit():
                    wait_s = float(after)
            except httpx2.TransportError as error:
                problem = f"{type(error).__name__}: {error}"
            await asyncio.sleep(wait_s)
        raise SendError(f"{url} did not take it: {problem}")


def slices(plan: Sequence[Planned], tail_ms: int, *, is_paced: bool) -> Iterator[tuple[int, list[Planned]]]:
    """Yield what is sent side by side: profiles, then whole days, then the tail hour by hour, or second by second."""

    def place(planned: Planned) -> int:
        if planned.send_ms >= tail_ms:
            return planned.send_ms // (1_000 if is_paced else HOUR_MS) * (1_000 if is_paced else HOUR_MS)
        return planned.send_ms // DAY_MS * DAY_MS

    for _, group in itertools.groupby(plan, place):
        together = list(group)
        yield together[0].send_ms, together
