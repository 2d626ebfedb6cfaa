"""Contacts, tickets and surveys as messages tell them, packed for counting. Owns no table."""

from datetime import datetime, timedelta
from typing import Any

from services.api.kpi.model import FACT_BYTES, REOPENED_WITHIN, Packed, Served
from services.api.kpi.store import WORK_MEMORY
from shared.contracts.enriched import ASPECT_NAMES
from shared.contracts.event import CHANNEL_NAMES, NOT_A_NEW_CONTACT

# A customer who writes again after so long has another question; a convention.
_SAME_CONTACT = timedelta(days=3)
# Of what began before `until` no more is awaited than this; long ago it is all over.
LAST_SEEN = timedelta(days=30)
# How long after the conversation it is about a survey may come.
_ASKED_ABOUT = timedelta(days=30)

_MESSAGES = "type IN ('interaction', 'inquiry', 'ticket.opened', 'ticket.replied')"
TICKET_STEPS = "type IN ('ticket.opened', 'ticket.resolved', 'ticket.reopened')"
# What a row of interactions has to be to change a fact.
TOLD_BY = frozenset(
    (
        "interaction", "inquiry", "ticket.opened", "ticket.replied", "ticket.resolved", "ticket.reopened",
        "survey.answered", "consultation.completed",
    )
)  # fmt: skip
_ASPECTS = ", ".join(f"'{name}'" for name in ASPECT_NAMES)
_CHANNELS = ", ".join(f"'{name}'" for name in CHANNEL_NAMES)
# As services/api/kpi/cells.py reads them: FACT.
_FACT = f"""
    timestamptz_send(started_at) || int8send((extract(epoch FROM coalesce(took, interval '0')) * 1000000)::bigint)
    || timestamptz_send(coalesce(open_since, '-infinity')) || timestamptz_send(coalesce(resolved_at, '-infinity'))
    || int8send(coalesce(hashtextextended(agent, 0), 0)) || int2send(aspects::int2)
    || int2send(coalesce(array_position(ARRAY[{_CHANNELS}], channel), 0)::int2)
    || int2send((kind % 4 + 4 * is_first::int + 8 * is_second::int + 16 * is_timed::int + kind / 4 * 32)::int2)
"""


def customer_facts(whose: str) -> str:
    """Return the CTE `facts` of the contacts, surveys and consultations of the customers meant, from $1 until $2.

    `whose` is a condition on customer_id; $3 are the kinds of messages that begin no contact.
    """
    return f"""
        said AS MATERIALIZED (
            SELECT customer_id, coalesce(conversation_id, event ->> 'ticket_id', '') AS thread, channel,
                   occurred_at AS at, event_key, direction = 'inbound' AS is_customers, event ? 'call' AS is_call,
                   coalesce(actor_id, event -> 'actor' ->> 'name') AS agent,
                   CASE WHEN aspects <> '{{}}' THEN {_mask("aspects")} ELSE 0 END AS aspects,
                   sentiment_label IS NOT NULL AS is_judged, is_complaint
            FROM interactions
            WHERE occurred_at >= $1 AND occurred_at < $2 AND {whose} AND {_MESSAGES}
                AND (direction = 'inbound' AND coalesce(actor_kind, 'customer') = 'customer'
                     OR direction = 'outbound' AND coalesce(actor_kind, 'agent') = 'agent')
                AND coalesce(event -> 'attributes' ->> 'kind', '') <> ALL($3::text[])
        ), marked AS (
            SELECT *, is_customers AND coalesce(
                       at - max(at) FILTER (WHERE is_customers) OVER before > {_interval(_SAME_CONTACT)}, true
                   ) AS is_start
            FROM said WINDOW before AS (PARTITION BY customer_id, channel, thread ORDER BY at, event_key
                                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ), numbered AS (
            SELECT *, count(*) FILTER (WHERE is_start) OVER (PARTITION BY customer_id, channel, thread
                          ORDER BY at, event_key ROWS UNBOUNDED PRECEDING) AS number
            FROM marked
        ), grouped AS (
            SELECT customer_id, channel, thread, number, min(at) AS started_at,
                   min(at) FILTER (WHERE NOT is_customers) AS replied_at,
                   (array_agg(agent ORDER BY at, event_key) FILTER (WHERE NOT is_customers))[1] AS agent,
                   bool_or(is_start AND is_call) AS is_call, bool_or(is_customers AND is_judged) AS is_judged,
                   bool_or(is_customers AND is_complaint) AS is_complaint,
                   coalesce(bit_or(aspects) FILTER (WHERE is_customers), 0) AS aspects
            FROM numbered WHERE number > 0 GROUP BY customer_id, channel, thread, number
        ), contacts AS MATERIALIZED (
            -- Whoever asks again is answered with the first question.
            SELECT *, min(replied_at) OVER (PARTITION BY customer_id, channel, thread ORDER BY number DESC
                                            ROWS UNBOUNDED PRECEDING) AS answered_at
            FROM grouped
        ), surveys AS (
            SELECT DISTINCT ON (s.event_key) s.customer_id, s.kind, s.at AS started_at, s.channel,
                   coalesce(s.agent, c.agent) AS agent,
                   coalesce(c.aspects, 0) | s.aspects AS aspects, round(s.place::numeric, 6) AS place
            FROM (
                SELECT event_key, customer_id, channel, conversation_id, occurred_at AS at,
                       coalesce(event ->> 'kind', 'consultation') AS kind, {_mask("aspects")} AS aspects,
                       CASE WHEN type <> 'survey.answered' AND actor_kind = 'agent'
                            THEN coalesce(actor_id, event -> 'actor' ->> 'name') END AS agent,
                       CASE type WHEN 'survey.answered'
                            THEN ((event ->> 'score')::float8 - (event ->> 'scale_min')::float8)
                                / nullif((event ->> 'scale_max')::float8 - (event ->> 'scale_min')::float8, 0)
                            ELSE (event ->> 'goal_met')::boolean::int END AS place
                FROM interactions
                WHERE occurred_at >= $1 AND occurred_at < $2 AND {whose}
                    AND type IN ('survey.answered', 'consultation.completed')
            ) AS s
            LEFT JOIN contacts AS c
                ON c.customer_id = s.customer_id AND c.thread = s.conversation_id AND c.started_at <= s.at
            WHERE s.place IS NOT NULL
            ORDER BY s.event_key, c.started_at DESC NULLS LAST, c.channel
        ), facts AS MATERIALIZED (
            SELECT customer_id, started_at, agent, {_FACT} AS fact, kind >= {Served.CES} AS is_effort
            FROM (
                SELECT customer_id, {Served.CONTACT} AS kind, started_at, channel, agent, aspects,
                       answered_at - started_at AS took,
                       CASE WHEN answered_at IS NULL THEN started_at END AS open_since,
                       NULL::timestamptz AS resolved_at, NOT is_call AS is_timed, is_judged AS is_first,
                       is_complaint AS is_second
                FROM contacts
                UNION ALL
                SELECT customer_id, CASE kind WHEN 'csat' THEN {Served.CSAT} WHEN 'nps' THEN {Served.NPS}
                                         WHEN 'ces' THEN {Served.CES} ELSE {Served.CONSULTATION} END,
                       started_at, channel,
                       -- An answer about effort has its place on its scale here, 1 where it is easiest.
                       agent, aspects, CASE kind WHEN 'ces' THEN make_interval(secs => place::float8) END, NULL, NULL,
                       false, CASE kind WHEN 'nps' THEN place >= 0.9 ELSE place >= 0.75 END,
                       kind = 'nps' AND place <= 0.6
                FROM surveys
            ) AS told
        )
    """  # noqa: S608 - conditions and constants of this package


def ticket_facts(whose: str) -> str:
    """Return the CTE `tickets` of the tickets whose steps from $1 until $2 meet `whose`."""
    return f"""
        steps AS (
            SELECT *, lag(is_open) OVER (PARTITION BY source, ticket ORDER BY at, is_open DESC, event_key) AS was_open
            FROM (
                SELECT customer_id, source, event ->> 'ticket_id' AS ticket, type, channel, occurred_at AS at,
                       event_key, type <> 'ticket.resolved' AS is_open, {_mask("aspects")} AS aspects,
                       CASE actor_kind WHEN 'agent' THEN coalesce(actor_id, event -> 'actor' ->> 'name') END AS agent
                FROM interactions WHERE occurred_at >= $1 AND occurred_at < $2 AND {whose} AND {TICKET_STEPS}
            ) AS told
        ), changes AS (
            SELECT *, lead(at) OVER (PARTITION BY source, ticket ORDER BY at, is_open DESC, event_key) AS next_at
            FROM steps WHERE was_open IS DISTINCT FROM is_open
        ), histories AS (
            SELECT source, ticket, min(at) FILTER (WHERE type = 'ticket.opened') AS started_at,
                   (array_agg(channel ORDER BY at, event_key))[1] AS channel,
                   min(at) FILTER (WHERE NOT is_open) AS resolved_at,
                   min(at) FILTER (WHERE is_open AND NOT was_open) AS reopened_at,
                   (array_agg(agent ORDER BY at, event_key) FILTER (WHERE NOT is_open))[1] AS agent,
                   sum(next_at - at) FILTER (WHERE is_open) AS took,
                   max(at) FILTER (WHERE is_open AND next_at IS NULL) AS open_since, bit_or(aspects) AS aspects
            FROM changes GROUP BY source, ticket
        ), tickets AS MATERIALIZED (
            SELECT source, ticket, started_at, agent, CASE WHEN started_at IS NOT NULL THEN {_FACT} END AS fact,
                   (SELECT array_agg(DISTINCT customer_id) FROM steps AS s
                    WHERE s.source = told.source AND s.ticket = told.ticket) AS customer_ids
            FROM (
                SELECT *, {Served.TICKET} AS kind, true AS is_timed, false AS is_first,
                       coalesce(reopened_at <= resolved_at + {_interval(REOPENED_WITHIN)}, false) AS is_second
                FROM histories
            ) AS told
        )
    """  # noqa: S608 - conditions and constants of this package


# Answers about effort and consultations stand apart: versions before read every other fact alike.
BY_CUSTOMER = """
    SELECT customer_id, min(started_at) AS first_at, max(started_at) AS last_at,
           string_agg(fact, '') FILTER (WHERE NOT is_effort) AS facts,
           string_agg(fact, '') FILTER (WHERE is_effort) AS efforts
    FROM facts GROUP BY customer_id
"""


async def count_served(connection: Any, since: datetime, until: datetime, seen: datetime) -> Packed:
    """Return what began from `since` to `until` as it stood at `seen`, counted from every message of that time.

    services/api/kpi/served.py knows what stands now without.
    """
    await connection.execute(f"SET LOCAL work_mem = '{WORK_MEMORY}'")
    row = await connection.fetchrow(
        f"""
        WITH {customer_facts("true")}, {ticket_facts("occurred_at >= $4")}, told AS (
            SELECT coalesce(f.facts, '') AS facts, coalesce(f.efforts, '') AS efforts, coalesce(b.bought, '') AS bought
            FROM ({BY_CUSTOMER}) AS f
            FULL JOIN (
                SELECT customer_id, string_agg(timestamptz_send(occurred_at), '') AS bought FROM orders
                WHERE kind = 'placed' AND occurred_at >= $4 AND occurred_at < $5 GROUP BY customer_id
            ) AS b USING (customer_id)
        ), agents AS (
            SELECT DISTINCT hashtextextended(agent, 0) AS id, agent AS name
            FROM (SELECT agent FROM facts UNION ALL SELECT agent FROM tickets) AS named WHERE agent IS NOT NULL
        )
        SELECT {PACKED}, (SELECT string_agg(fact, '') FROM tickets) AS tickets,
               (SELECT array_agg(id ORDER BY id) FROM agents) AS agent_ids,
               (SELECT array_agg(name ORDER BY id) FROM agents) AS agent_names
        FROM told
        """,  # noqa: S608 - constants of this package
        since - _SAME_CONTACT - _ASKED_ABOUT,
        seen,
        sorted(NOT_A_NEW_CONTACT),
        since,
        until,
    )
    return packed(row)


# Of rows with `facts`, `efforts` and `bought`, one a customer.
PACKED = f"""
    string_agg(facts, '') AS facts, string_agg(int4send(length(facts) / {FACT_BYTES}), '') AS n_facts,
    string_agg(bought, '') AS bought, string_agg(int4send(length(bought) / 8), '') AS n_bought,
    string_agg(efforts, '') AS efforts
"""


def packed(row: Any) -> Packed:
    """Return a row of PACKED, tickets and agents."""
    return Packed(
        facts=row["facts"] or b"",
        n_facts=row["n_facts"] or b"",
        bought=row["bought"] or b"",
        n_bought=row["n_bought"] or b"",
        tickets=row["tickets"] or b"",
        efforts=row["efforts"] or b"",
        agents=dict(zip(row["agent_ids"] or (), row["agent_names"] or (), strict=True)),
    )


def _mask(aspects: str) -> str:
    bit = f"1 << (array_position(ARRAY[{_ASPECTS}], one) - 1)"
    return f"(SELECT coalesce(bit_or({bit}), 0) FROM unnest({aspects}) AS one)"  # noqa: S608 - constants


def _interval(length: timedelta) -> str:
    return f"interval '{length.total_seconds():.0f} seconds'"
