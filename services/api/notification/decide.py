"""When to try, when to try again and when to give an endpoint up. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from msgspec import Struct

from services.api.notification.model import Job, Outcome, QuietHours

# Source: Standard Webhooks 1.0, "Deliverability and reliability", its recommended schedule.
RETRY_DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=10),
)
# The schedule lasts 27.6 hours; an endpoint dead for four times that is not coming back by itself.
DISABLE_AFTER = timedelta(days=5)


def quiet_until(quiet: QuietHours | None, severities: Iterable[str], now: datetime) -> datetime | None:
    """Return when the quiet that reigns now ends (UTC); None when there is none, or for an exempt severity."""
    if quiet is None or any(severity in quiet.except_severities for severity in severities):
        return None
    local = now.astimezone(ZoneInfo(quiet.time_zone))
    start, end = time.fromisoformat(quiet.start), time.fromisoformat(quiet.end)
    at = local.time()
    is_over_midnight = end < start
    is_quiet = (at >= start or at < end) if is_over_midnight else start <= at < end
    if not is_quiet:
        return None
    day = local.date() + timedelta(days=1 if is_over_midnight and at >= start else 0)
    # Where clocks are set back, an hour comes twice: in the second one, its first end has passed.
    return datetime.combine(day, end, local.tzinfo).replace(fold=local.fold).astimezone(UTC)


class Verdict(Struct, frozen=True):
    """What becomes of the job and its endpoint: `retry_at` None ends the job; `disable` is why to switch it off."""

    retry_at: datetime | None
    is_delivered: bool
    failing_since: datetime | None
    disable: str | None = None


def judge(job: Job, outcome: Outcome, now: datetime, jitter: float) -> Verdict:
    """Return the verdict on attempt number `job.n_attempts` + 1. `jitter` in 0..1 spreads retries by up to 10 %."""
    if outcome.is_delivered:
        return Verdict(None, True, None)
    failing_since = job.endpoint.failing_since or now
    if outcome.is_gone:
        return Verdict(None, False, failing_since, "the endpoint answered 410 Gone")
    disable = None
    if now - failing_since >= DISABLE_AFTER:
        disable = f"nothing was delivered since {failing_since:%Y-%m-%d %H:%M} UTC: {outcome.error}"
    if job.n_attempts >= len(RETRY_DELAYS) or disable is not None:
        return Verdict(None, False, failing_since, disable)
    return Verdict(now + RETRY_DELAYS[job.n_attempts] * (1 + jitter / 10), False, failing_since)
