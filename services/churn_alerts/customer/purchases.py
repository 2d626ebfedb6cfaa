"""How purchases, returns and identity merges change a customer's state; among the recent days order does not matter."""

from math import exp, log, log1p

from msgspec.structs import replace

from services.churn_alerts.customer.model import PurchaseDay, Purchases, ReturnDay, Statistics, recent_days

MEMORY = 0.3
"""Weight of the newest value in the moving averages of log gap and log amount (measured: churn.md's recipe)."""

FORGET = 1.0 - MEMORY


def no_purchases(horizon_days: float) -> Purchases:
    """Return the state of a customer nothing is known of; `horizon_days` is the company's horizon H."""
    return Purchases(horizon_days=float(horizon_days))


def to_cents(amount: float | str | None) -> int | None:
    """Return an amount of money in whole hundredths, so that a day's sum does not depend on its baskets' order."""
    return None if amount is None else round(float(amount) * 100)


def observe(state: Purchases, day: int, amount: float | str | None = None) -> Purchases:
    """Return the state after one more purchase on `day` (days since 1970-01-01 UTC).

    Purchases of one day are one purchase day whose amounts add up; the caller drops repeated deliveries by id.
    Order does not matter among the recent days. A purchase older than the customer's folded past is put in front of it;
    one that falls inside the folded past is already counted, or cannot be told from a repetition, and changes nothing.
    """
    cents = to_cents(amount)
    recent = state.recent
    if not recent:
        return _with_purchases(state, (PurchaseDay(day, cents),), None, None)
    last = recent[-1]
    if day == last.day:
        same_day = PurchaseDay(day, _plus(last.cents, cents))
        return _with_purchases(state, (*recent[:-1], same_day), state.folded, state.before)
    if day > last.day:
        before = append(state.before, last, state.horizon_days)
        newest = (*recent, PurchaseDay(day, cents))
        if recent[0].day >= day - recent_days(state.horizon_days):
            return _with_purchases(state, newest, state.folded, before)
        folded, kept = _fold_old(state.folded, newest, state.horizon_days)
        return _with_purchases(state, kept, folded, before)
    return _observe_late(state, PurchaseDay(day, cents))


def observe_return(state: Purchases, day: int) -> Purchases:
    """Return the state after one return of goods on `day`; order does not matter among the recent days."""
    return replace(state, **_with_returns(state, (ReturnDay(day, 1),)))


def merge(one: Purchases, other: Purchases) -> Purchases:
    """Return the state of the customer that two identities turned out to be; `merge(a, b) == merge(b, a)`.

    Exact for the recent days, for counts, first and last day and for decayed counts. Where the two folded pasts
    overlap in time their gaps are no longer known: the merged log gaps keep each one's irregularity at the joint rate.
    """
    if one.horizon_days != other.horizon_days:
        raise ValueError("identities of one company share one horizon")
    horizon = one.horizon_days
    cut = max((state.last_day for state in (one, other) if state.last_day is not None), default=0)
    cut -= recent_days(horizon)
    days: dict[int, int | None] = {}
    folded: Statistics | None = None
    for state in (one, other):
        own = state.folded
        for entry in state.recent:
            if entry.day < cut:
                own = append(own, entry, horizon)
            else:
                days[entry.day] = _plus(days[entry.day], entry.cents) if entry.day in days else entry.cents
        folded = _join(folded, own, horizon)
    kept = tuple(PurchaseDay(day, days[day]) for day in sorted(days))
    base = Purchases(horizon_days=horizon, recent=kept, folded=folded, before=_refold(folded, kept, horizon))
    returns_day = max(one.folded_returns_day, other.folded_returns_day)
    returns = [_decayed_to(returns_day, part.folded_returns, part.folded_returns_day, horizon) for part in (one, other)]
    both = replace(base, folded_returns=sum(sorted(returns)), folded_returns_day=returns_day)
    return replace(both, **_with_returns(both, (*one.recent_returns, *other.recent_returns)))


def before_day(state: Purchases, day: int) -> Purchases:
    """Return the state without what happened on `day` and later, as far as single days are kept."""
    recent = tuple(entry for entry in state.recent if entry.day < day)
    returned = tuple(entry for entry in state.recent_returns if entry.day < day)
    if len(recent) == len(state.recent) and len(returned) == len(state.recent_returns):
        return state
    before = _refold(state.folded, recent, state.horizon_days) if recent else None
    return replace(state, recent=recent, recent_returns=returned, before=before)


def at_horizon(state: Purchases, horizon_days: float) -> Purchases:
    """Return the state with its decays at another horizon; those of the folded past stand as they were."""
    if state.horizon_days == horizon_days:
        return state
    before = _refold(state.folded, state.recent, horizon_days)
    return replace(state, horizon_days=horizon_days, before=before)


def statistics(state: Purchases) -> Statistics | None:
    """Return the statistics of every purchase day of the state, or None before the first purchase."""
    return append(state.before, state.recent[-1], state.horizon_days) if state.recent else None


def append(run: Statistics | None, entry: PurchaseDay, horizon_days: float) -> Statistics:
    """Return the statistics of `run` and one purchase day after it.

    Source: the state of churn by silence, docs/churn.md (moving averages start at their first value, decays at 1).
    """
    day, cents = entry
    if cents is None:
        amount = None
        cents = 0
    else:
        amount = log1p(max(cents, 0) / 100)
    if run is None:
        if amount is None:
            return Statistics(1, day, day)
        return Statistics(1, day, day, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1, 0.0, amount, amount, cents)
    gap = day - run.last_day
    log_gap = log(gap)
    fade = exp(gap / (-3.0 * horizon_days))
    fade_middle = fade * fade * fade
    n_days, n_amounts = run.n_days, run.n_amounts
    if n_days == 1:
        gap_ewma, first_log_gap = 0.0, log_gap
    else:
        gap_ewma, first_log_gap = FORGET * run.gap_ewma + MEMORY * log_gap, run.first_log_gap
    if amount is None:
        amounts = (n_amounts, run.amount_ewma, run.first_log_amount, run.sum_log_amount)
    elif n_amounts:
        ewma = FORGET * run.amount_ewma + MEMORY * amount
        amounts = (n_amounts + 1, ewma, run.first_log_amount, run.sum_log_amount + amount)
    else:
        amounts = (1, 0.0, amount, amount)
    return Statistics(
        n_days + 1,
        run.first_day,
        day,
        run.sum_log_gap + log_gap,
        run.sum_log_gap_squared + log_gap * log_gap,
        gap_ewma,
        first_log_gap,
        run.decayed_short * (fade_middle * fade_middle * fade_middle) + 1.0,
        run.decayed_middle * fade_middle + 1.0,
        run.decayed_long * fade + 1.0,
        *amounts,
        run.sum_cents + cents,
    )


def mean_log_gap(run: Statistics) -> float:
    """Return the moving average of log gap (days), 0 when there is no gap yet."""
    return run.gap_ewma + FORGET ** (run.n_days - 2) * run.first_log_gap if run.n_days > 1 else 0.0


def mean_recent_log_amount(run: Statistics) -> float:
    """Return the moving average of log(1 + amount), 0 when no amount is known."""
    return run.amount_ewma + FORGET ** (run.n_amounts - 1) * run.first_log_amount if run.n_amounts else 0.0


def returns_until(state: Purchases, day: int) -> float:
    """Return the decayed count of returns as of `day`; those after it do not count yet."""
    horizon = state.horizon_days
    total = _decayed_to(day, state.folded_returns, state.folded_returns_day, horizon) if state.folded_returns else 0.0
    for entry in state.recent_returns:
        if entry.day <= day:
            total += entry.n_returns * exp((entry.day - day) / horizon)
    return total


def _with_purchases(
    state: Purchases, recent: tuple[PurchaseDay, ...], folded: Statistics | None, before: Statistics | None
) -> Purchases:
    # The constructor, not msgspec's replace: this runs once per purchase.
    return Purchases(
        state.horizon_days,
        recent,
        folded,
        before,
        state.recent_returns,
        state.folded_returns,
        state.folded_returns_day,
    )


def returns_at_purchase(state: Purchases, last_day: int) -> float:
    """Return the decayed count of all returns seen, expressed as of the last purchase: later ones weigh more than 1.

    Fading it by exp(-silence / horizon) gives the count as of the end of the silence.
    """
    horizon = state.horizon_days
    total = 0.0
    if state.folded_returns:
        total += state.folded_returns * exp((state.folded_returns_day - last_day) / horizon)
    for entry in state.recent_returns:
        # The bound keeps a return decades after the last purchase inside floats.
        total += entry.n_returns * exp(min((entry.day - last_day) / horizon, 50.0))
    return total


def _observe_late(state: Purchases, entry: PurchaseDay) -> Purchases:
    folded = state.folded
    horizon = state.horizon_days
    if folded is not None and entry.day <= folded.last_day:
        if entry.day >= folded.first_day:
            return state
        folded = concatenate(append(None, entry, horizon), folded, horizon)
        return _with_purchases(state, state.recent, folded, _refold(folded, state.recent, horizon))
    at = next(index for index, known in enumerate(state.recent) if known.day >= entry.day)
    known = state.recent[at]
    if known.day == entry.day:
        recent = (*state.recent[:at], PurchaseDay(entry.day, _plus(known.cents, entry.cents)), *state.recent[at + 1 :])
    else:
        recent = (*state.recent[:at], entry, *state.recent[at:])
    folded, kept = _fold_old(folded, recent, horizon)
    return _with_purchases(state, kept, folded, _refold(folded, kept, horizon))


def _fold_old(
    folded: Statistics | None, recent: tuple[PurchaseDay, ...], horizon_days: float
) -> tuple[Statistics | None, tuple[PurchaseDay, ...]]:
    cut = recent[-1].day - recent_days(horizon_days)
    n_old = 0
    while recent[n_old].day < cut:
        folded = append(folded, recent[n_old], horizon_days)
        n_old += 1
    return folded, recent[n_old:] if n_old else recent


def _refold(folded: Statistics | None, recent: tuple[PurchaseDay, ...], horizon_days: float) -> Statistics | None:
    before = folded
    for entry in recent[:-1]:
        before = append(before, entry, horizon_days)
    return before


def concatenate(early: Statistics, late: Statistics, horizon_days: float) -> Statistics:
    """Return the statistics of two runs of purchase days, `late` beginning after `early` ends; exact up to rounding."""
    log_gap = log(late.first_day - early.last_day)
    shift = (late.last_day - early.last_day) / horizon_days
    n_late_gaps = late.n_days - 1
    kept = FORGET**n_late_gaps
    early_average = early.gap_ewma
    if early.n_days == 1:
        gap_ewma, first_log_gap = 0.0, log_gap
    else:
        gap_ewma, first_log_gap = FORGET * early_average + MEMORY * log_gap, early.first_log_gap
    if n_late_gaps:
        # The late run's first gap entered at full weight; inside the joint run it is an ordinary, newer value.
        gap_ewma = kept * gap_ewma + late.gap_ewma + MEMORY * FORGET ** (n_late_gaps - 1) * late.first_log_gap
    if not early.n_amounts:
        amount_ewma, first_log_amount = late.amount_ewma, late.first_log_amount
    else:
        amount_ewma, first_log_amount = early.amount_ewma, early.first_log_amount
        if late.n_amounts:
            amount_ewma = FORGET**late.n_amounts * amount_ewma + late.amount_ewma
            amount_ewma += MEMORY * FORGET ** (late.n_amounts - 1) * late.first_log_amount
    return Statistics(
        early.n_days + late.n_days,
        early.first_day,
        late.last_day,
        early.sum_log_gap + log_gap + late.sum_log_gap,
        early.sum_log_gap_squared + log_gap * log_gap + late.sum_log_gap_squared,
        gap_ewma,
        first_log_gap,
        early.decayed_short * exp(-3.0 * shift) + late.decayed_short,
        early.decayed_middle * exp(-shift) + late.decayed_middle,
        early.decayed_long * exp(-shift / 3.0) + late.decayed_long,
        early.n_amounts + late.n_amounts,
        amount_ewma,
        first_log_amount,
        early.sum_log_amount + late.sum_log_amount,
        early.sum_cents + late.sum_cents,
    )


def superpose(one: Statistics, other: Statistics, horizon_days: float) -> Statistics:
    """Return the statistics of two runs that overlap in time, whose joint gaps are unknown; symmetric.

    Counts, amounts, ends and decayed counts are exact (a day in both counts twice). The mean log gap is that of the
    joint rate less the runs' mean irregularity, log(mean gap) - mean(log gap), each run weighing its number of gaps.
    """
    first, second = sorted((one, other), key=_sort_key)
    first_day, last_day = min(first.first_day, second.first_day), max(first.last_day, second.last_day)
    n_days = first.n_days + second.n_days
    parts = [run for run in (first, second) if run.n_days > 1]
    n_gaps = sum(run.n_days - 1 for run in parts)
    irregular = spread = trend = 0.0
    for run in parts:
        n_own = run.n_days - 1
        mean = run.sum_log_gap / n_own
        irregular += n_own * (log((run.last_day - run.first_day) / n_own) - mean)
        spread += run.sum_log_gap_squared - n_own * mean * mean
        trend += n_own * (mean_log_gap(run) - mean)
    log_gap = log((last_day - first_day) / (n_days - 1)) - irregular / n_gaps if n_gaps else 0.0
    latest = log_gap + trend / n_gaps if n_gaps else 0.0
    decays = [_decays_at(run, last_day, horizon_days) for run in (first, second)]
    n_amounts = first.n_amounts + second.n_amounts
    amount = (
        sum(run.n_amounts * mean_recent_log_amount(run) for run in (first, second)) / n_amounts if n_amounts else 0.0
    )
    return Statistics(
        n_days,
        first_day,
        last_day,
        (n_days - 1) * log_gap,
        (n_days - 1) * (log_gap * log_gap + max(spread, 0.0) / n_gaps) if n_gaps else 0.0,
        latest * (1.0 - FORGET ** (n_days - 2)),
        latest,
        decays[0][0] + decays[1][0],
        decays[0][1] + decays[1][1],
        decays[0][2] + decays[1][2],
        n_amounts,
        amount * (1.0 - FORGET ** (n_amounts - 1)) if n_amounts else 0.0,
        amount,
        first.sum_log_amount + second.sum_log_amount,
        first.sum_cents + second.sum_cents,
    )


def _join(one: Statistics | None, other: Statistics | None, horizon_days: float) -> Statistics | None:
    if one is None or other is None:
        return one or other
    if one.last_day < other.first_day:
        return concatenate(one, other, horizon_days)
    if other.last_day < one.first_day:
        return concatenate(other, one, horizon_days)
    return superpose(one, other, horizon_days)


def _sort_key(run: Statistics) -> tuple[float, ...]:
    ends = (run.n_days, run.first_day, run.last_day)
    return (*ends, run.sum_log_gap, run.sum_log_gap_squared, run.sum_log_amount, run.gap_ewma)


def _decays_at(run: Statistics, day: int, horizon_days: float) -> tuple[float, float, float]:
    shift = (day - run.last_day) / horizon_days
    return (
        run.decayed_short * exp(-3.0 * shift),
        run.decayed_middle * exp(-shift),
        run.decayed_long * exp(-shift / 3.0),
    )


def _with_returns(state: Purchases, entries: tuple[ReturnDay, ...]) -> dict[str, object]:
    counts = dict(state.recent_returns)
    for entry in entries:
        counts[entry.day] = counts.get(entry.day, 0) + entry.n_returns
    cut = max(counts, default=0) - recent_days(state.horizon_days)
    folded, folded_day = state.folded_returns, state.folded_returns_day
    for day in sorted(counts):
        if day < cut:
            reference = max(folded_day, day)
            folded = _decayed_to(reference, folded, folded_day, state.horizon_days)
            folded += _decayed_to(reference, counts[day], day, state.horizon_days)
            folded_day = reference
    kept = tuple(ReturnDay(day, counts[day]) for day in sorted(counts) if day >= cut)
    return {"recent_returns": kept, "folded_returns": folded, "folded_returns_day": folded_day}


def _decayed_to(day: int, count: float, counted_day: int, horizon_days: float) -> float:
    return count * exp((counted_day - day) / horizon_days) if count else 0.0


def _plus(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other
