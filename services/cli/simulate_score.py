"""`pulseline simulate score`: reads the running system's alerts over its API and prints how well they foretold."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import msgspec
import typer

from services.cli.counted import counted
from services.simulator import oracle, truth, world
from services.simulator.score import Alert, Middle, Score, Share, judge
from services.simulator.truth import CustomerTruth, Header

_PAGE: Final = 200


class _Signal(msgspec.Struct):
    evidence: list[str] = []


class _View(msgspec.Struct, kw_only=True):
    """What is read of an alert."""

    alert_id: str
    customer_id: str
    raised_at: datetime
    resolved_at: datetime | None
    resolution: str | None
    cause: str
    is_historical: bool
    signals: list[_Signal]


class _Item(msgspec.Struct):
    """What is read of an event of the customer's timeline."""

    id: str
    occurred_at: datetime
    received_at: datetime | None


class _Step(msgspec.Struct):
    """What is read of a step of an alert's life."""

    recorded_at: datetime | None = None


def score(api_url: str, api_key: str, truth_file: Path, json_file: Path | None, *, with_oracle: bool) -> None:
    """Print precision, recall, delay, lead and causes of the alerts about the truth's customers, and the oracle's."""
    head, truths = truth.read(truth_file)
    with httpx2.Client(
        base_url=api_url, headers={"Authorization": f"Bearer {api_key}"}, timeout=60.0, trust_env=False
    ) as http:
        views = list(_alerts(http, head))
        found, n_foreign = _about(truths, views, http)
    show(head, truths, found, json_file, with_oracle=with_oracle, n_foreign=n_foreign)


def rehearse(
    truth_file: Path, json_file: Path | None, *, is_refitted: bool, capacity_per_day: float | None, with_oracle: bool
) -> None:
    """Print the same of the alerts that the live processors would have raised, had they run all along."""
    from services.cli.simulate_rehearse import rehearse as alerts_of

    head, truths = truth.read(truth_file)
    made = _same_world(head, truths)
    if made is None:
        raise typer.Exit(1)
    found = alerts_of(made, is_refitted=is_refitted, capacity_per_day=capacity_per_day)
    show(head, truths, found, json_file, with_oracle=with_oracle)


def show(
    head: Header,
    truths: Sequence[CustomerTruth],
    alerts: Sequence[Alert],
    json_file: Path | None,
    *,
    with_oracle: bool,
    n_foreign: int = 0,
) -> None:
    """Print the score of alerts, and the oracle's; write both as JSON where asked to."""
    scored = judge(head, truths, alerts)
    for line in lines_of(scored, n_foreign):
        typer.echo(line)
    best = _oracle(head, truths, scored) if with_oracle else None
    for line in _oracle_lines(best):
        typer.echo(line)
    if json_file is not None:
        json_file.write_bytes(msgspec.json.format(msgspec.json.encode({"score": _plain(scored), "oracle": best})))


def _alerts(http: httpx2.Client, head: Header) -> Iterator[_View]:
    parameters: dict[str, str] = {"limit": str(_PAGE), "since": head.start.isoformat()}
    while True:
        response = http.get("/v1/alerts", params=parameters)
        if response.status_code != 200:
            typer.echo(f"the API answered {response.status_code}: {response.text[:300]}", err=True)
            raise typer.Exit(1)
        page = response.json()
        for item in page["items"]:
            yield msgspec.convert(item, _View)
        if page["next_cursor"] is None:
            return
        parameters["cursor"] = page["next_cursor"]


def _about(truths: Sequence[CustomerTruth], views: Sequence[_View], http: httpx2.Client) -> tuple[list[Alert], int]:
    """Return the alerts about the world's customers, and how many are about others.

    A customer that the system knows by a handle alone is found by the handles it shows.
    """
    ids = {one.customer_id for one in truths}
    owners = {handle: one.customer_id for one in truths for handle in one.handles}
    names: dict[str, str | None] = {}
    found, n_foreign = [], 0
    for view in views:
        customer = view.customer_id
        if customer not in ids:
            if customer not in names:
                names[customer] = _owner(http, customer, owners)
            owner = names[customer]
            if owner is None:
                n_foreign += 1
                continue
            customer = owner
        found.append(_alert(http, view, customer))
    return found, n_foreign


def _alert(http: httpx2.Client, view: _View, customer_id: str) -> Alert:
    """Return the alert with what the system tells of its way: the newest proof, and when it was stored."""
    newest = _newest_evidence(http, view)
    life = http.get(f"/v1/alerts/{view.alert_id}/events")
    steps = msgspec.convert(life.json()["items"], list[_Step]) if life.status_code == 200 else []
    return Alert(
        alert_id=view.alert_id,
        customer_id=customer_id,
        raised_at=view.raised_at,
        resolved_at=view.resolved_at,
        ended_by=view.resolution,
        cause=view.cause,
        is_historical=view.is_historical,
        evidence_at=None if newest is None else newest.occurred_at,
        heard_at=None if newest is None else newest.received_at,
        stored_at=steps[0].recorded_at if steps else None,
    )


def _newest_evidence(http: httpx2.Client, view: _View) -> _Item | None:
    """Return the newest event before the alert that it gives as its proof."""
    evidence = {event_id for signal in view.signals for event_id in signal.evidence}
    if not evidence:
        return None
    until = view.raised_at + timedelta(seconds=1)
    page = http.get(f"/v1/customers/{view.customer_id}/timeline", params={"limit": _PAGE, "until": until.isoformat()})
    items = msgspec.convert(page.json()["items"], list[_Item]) if page.status_code == 200 else []
    return next((item for item in items if item.id in evidence), None)


def _owner(http: httpx2.Client, customer_id: str, owners: Mapping[str, str]) -> str | None:
    response = http.get(f"/v1/customers/{customer_id}")
    if response.status_code != 200:
        return None
    shown = response.json().get("handles", [])
    handles = [one if isinstance(one, str) else one.get("handle", "") for one in shown]
    return next((owners[handle] for handle in handles if handle in owners), None)


def lines_of(scored: Score, n_foreign: int) -> list[str]:
    """Return the score in words and numbers."""
    low, high = scored.precision_by_customer
    apart = (
        f"{scored.n_too_young} decided in the last 60 days, {scored.n_without_rhythm} ordered on fewer than two days"
    )
    lines = [
        f"{scored.n_customers} customers, {scored.n_leavers} decided to leave; {scored.n_counted} count ({apart})",
        f"{counted(scored.n_alerts, 'alert')} about them"
        + (f"; {n_foreign} about others left out" if n_foreign else ""),
        f"precision        {_share(scored.precision)}; over customers {low:.3f} to {high:.3f}",
        f"  still standing {_share(scored.standing)}: those that did not end by themselves",
        f"recall           {_share(scored.recall)}",
        f"  told why       {_share(scored.recall_told)}",
        f"  said nothing   {_share(scored.recall_silent)}",
        f"delay, days      {_middle(scored.delay_days)} from the decision to the alert",
        f"lead, days       {_middle(scored.lead_days)} before the plain rule's 60 days of silence",
        f"evidence, hours  {_middle(scored.evidence_hours)} from the newest event an alert gives as proof to the alert",
        f"latency, s       {_middle(scored.stored_s)} from an event taken to the alert stored that it raised at once",
        f"  95th percentile {_middle(scored.stored_s_p95, 'quantile')}",
        f"  by time alone  {_middle(scored.due_s)} from the instant an alert was due to the alert stored",
        f"cause right      {_share(scored.cause)} of hits on leavers with a cause",
        f"  when named     {_share(scored.cause_named)} of those that name one",
        f"  when told      {_share(scored.cause_told)} of those whose customer told it",
        "causes, true > given:",
    ]
    by_truth: dict[str, list[str]] = {}
    for (true, given), n in scored.confusion.most_common():
        by_truth.setdefault(true, []).append(f"{given} {n}")
    return lines + [f"  {true:<12} > {', '.join(given)}" for true, given in sorted(by_truth.items())]


def _share(share: Share) -> str:
    if not share.of:
        return "not known: of none"
    return f"{share.value:.3f} [{share.low:.3f}, {share.high:.3f}]  ({share.n} of {share.of})"


def _middle(middle: Middle, name: str = "median") -> str:
    if not middle.of:
        return "not known: of none"
    return f"{middle.value:.1f} [{middle.low:.1f}, {middle.high:.1f}]  ({name} of {middle.of})"


def _oracle(head: Header, truths: Sequence[CustomerTruth], scored: Score) -> dict[str, Any] | None:
    """Return the oracle's curve and its points that compare; None if the file is of another world."""
    made = _same_world(head, truths)
    if made is None:
        return None
    silences = oracle.watch(made)
    curve = []
    for threshold in oracle.THRESHOLDS:
        one = judge(head, truths, oracle.alerts(silences, threshold))
        curve.append(
            {
                "threshold": threshold,
                "alerts": one.n_alerts,
                "precision": one.precision.value,
                "recall": one.recall.value,
                "delay_days": one.delay_days.value,
            }
        )
    return {
        "curve": curve,
        "at_as_many_alerts": min(curve, key=lambda point: abs(point["alerts"] - scored.n_alerts)),
        "at_the_recall": min(curve, key=lambda point: abs(point["recall"] - scored.recall.value)),
        "at_the_precision": min(curve, key=lambda point: abs(point["precision"] - scored.precision.value)),
    }


def _same_world(head: Header, truths: Sequence[CustomerTruth]) -> world.World | None:
    """Return the world of a truth file, lived again; None, with a word, if this version's process differs."""
    made = world.build(head.options())
    if head.version == world.VERSION and [truth.customer_truth(life, made) for life in made.lives] == list(truths):
        return made
    typer.echo("the truth is of another version of the world", err=True)
    return None


def _oracle_lines(best: dict[str, Any] | None) -> list[str]:
    if best is None:
        return []
    lines = ["the oracle (knows the process and every parameter, not the future nor what was never said):"]
    for name, words in (
        ("at_as_many_alerts", "with as many alerts"),
        ("at_the_recall", "at the same recall"),
        ("at_the_precision", "at the same precision"),
    ):
        point = best[name]
        lines.append(
            f"  {words:<22}{point['alerts']:>6} alerts, precision {point['precision']:.3f}, "
            f"recall {point['recall']:.3f}, delay {point['delay_days']:.1f} days"
        )
    return lines


def _plain(scored: Score) -> dict[str, Any]:
    confusion = [{"true": true, "given": given, "n": n} for (true, given), n in scored.confusion.most_common()]
    return {**{one.name: getattr(scored, one.name) for one in fields(scored)}, "confusion": confusion}
