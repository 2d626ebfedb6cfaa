"""Service figures counted by one statement over every message: what the packed facts are held against."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from services.api.kpi.model import ServicePeriod
from shared.contracts.event import NOT_A_NEW_CONTACT


class Counted(NamedTuple):
    """Things alike in what they are, in one value of one dimension, and in how long they took."""

    what: str
    dimension: str
    name: str
    seconds: int | None
    has_ended: bool
    n: int
    n_first: int
    n_second: int


_STATEMENT = """
WITH said AS MATERIALIZED (
    SELECT customer_id, coalesce(conversation_id, event ->> 'ticket_id', '') AS thread, channel,
           occurred_at AS at, event_key, direction = 'inbound' AS is_customers, event ? 'call' AS is_call,
           coalesce(actor_id, event -> 'actor' ->> 'name') AS agent, aspects,
           sentiment_label IS NOT NULL AS is_judged, is_complaint
    FROM interactions
    WHERE occurred_at >= $1::timestamptz - $7::interval - interval '30 days' AND occurred_at < $3
        AND type IN ('interaction', 'inquiry', 'ticket.opened', 'ticket.replied')
        AND (direction = 'inbound' AND coalesce(actor_kind, 'customer') = 'customer'
             OR direction = 'outbound' AND coalesce(actor_kind, 'agent') = 'agent')
        AND coalesce(event -> 'attributes' ->> 'kind', '') <> ALL($6::text[])
), marked AS (
    SELECT *, is_customers AND coalesce(
               at - max(at) FILTER (WHERE is_customers) OVER before > $7::interval, true) AS is_start
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
           string_agg(array_to_string(aspects, ','), ',') FILTER (WHERE is_customers AND aspects <> '{}')
               AS aspects
    FROM numbered WHERE number > 0 GROUP BY customer_id, channel, thread, number
), contacts AS MATERIALIZED (
    -- Whoever asks again is answered with the first question.
    SELECT *, min(replied_at) OVER (PARTITION BY customer_id, channel, thread ORDER BY number DESC
                                    ROWS UNBOUNDED PRECEDING) AS answered_at
    FROM grouped
), steps AS (
    SELECT *, lag(is_open) OVER (PARTITION BY source, ticket ORDER BY at, is_open DESC, event_key) AS was_open
    FROM (
        SELECT source, event ->> 'ticket_id' AS ticket, type, channel, occurred_at AS at, event_key,
               type <> 'ticket.resolved' AS is_open, aspects,
               CASE actor_kind WHEN 'agent' THEN coalesce(actor_id, event -> 'actor' ->> 'name') END AS agent
        FROM interactions WHERE occurred_at >= $1 AND occurred_at < $3
            AND type IN ('ticket.opened', 'ticket.resolved', 'ticket.reopened')
    ) AS told
), tickets AS (
    SELECT source, ticket, min(at) FILTER (WHERE type = 'ticket.opened') AS started_at,
           (array_agg(channel ORDER BY at, event_key))[1] AS channel, min(at) FILTER (WHERE NOT is_open) AS resolved_at,
           min(at) FILTER (WHERE is_open AND NOT was_open) AS reopened_at,
           (array_agg(agent ORDER BY at, event_key) FILTER (WHERE NOT is_open))[1] AS agent,
           sum(coalesce(next_at, $3) - at) FILTER (WHERE is_open) AS open_for,
           NOT (array_agg(is_open ORDER BY at DESC, is_open))[1] AS is_resolved,
           string_agg(array_to_string(aspects, ','), ',') FILTER (WHERE aspects <> '{}') AS aspects
    FROM (
        SELECT *, lead(at) OVER (PARTITION BY source, ticket ORDER BY at, is_open DESC, event_key) AS next_at
        FROM steps WHERE was_open IS DISTINCT FROM is_open
    ) AS changes
    GROUP BY source, ticket
), surveys AS (
    SELECT DISTINCT ON (s.event_key) s.kind, s.at AS started_at, s.channel, coalesce(s.agent, c.agent) AS agent,
           concat_ws(',', c.aspects, nullif(array_to_string(s.aspects, ','), '')) AS aspects,
           round(s.place::numeric, 6) AS place
    FROM (
        SELECT event_key, customer_id, channel, conversation_id, occurred_at AS at, aspects,
               event ->> 'kind' AS kind, NULL AS agent,
               ((event ->> 'score')::float8 - (event ->> 'scale_min')::float8)
                   / nullif((event ->> 'scale_max')::float8 - (event ->> 'scale_min')::float8, 0) AS place
        FROM interactions WHERE occurred_at >= $1 AND occurred_at < $2 AND type = 'survey.answered'
        UNION ALL
        SELECT event_key, customer_id, channel, conversation_id, occurred_at, aspects, 'consultation',
               CASE actor_kind WHEN 'agent' THEN coalesce(actor_id, event -> 'actor' ->> 'name') END,
               CASE WHEN event ->> 'goal_met' = 'true' THEN 1 ELSE 0 END
        FROM interactions WHERE occurred_at >= $1 AND occurred_at < $2 AND type = 'consultation.completed'
    ) AS s
    LEFT JOIN contacts AS c
        ON c.customer_id = s.customer_id AND c.thread = s.conversation_id AND c.started_at <= s.at
    WHERE s.place IS NOT NULL ORDER BY s.event_key, c.started_at DESC NULLS LAST, c.channel
), facts AS (
    SELECT 'contact' AS what, started_at, channel, agent, aspects,
           CASE WHEN NOT is_call THEN coalesce(answered_at, $3) - started_at END AS took,
           answered_at IS NOT NULL AS has_ended, is_judged AS is_first, is_complaint AS is_second, 0 AS place
    FROM contacts WHERE started_at >= $1 AND started_at < $2
    UNION ALL
    SELECT 'settled', started_at, channel, agent, aspects, NULL, true, NOT EXISTS (
               SELECT FROM contacts AS other WHERE other.customer_id = contacts.customer_id
                   AND other.started_at > contacts.started_at
                   AND other.started_at <= contacts.started_at + interval '7 days'), false, 0
    FROM contacts WHERE started_at >= $1 AND started_at < $2 AND started_at <= $3 - interval '7 days'
        AND (is_call OR answered_at IS NOT NULL)
    UNION ALL
    SELECT 'ticket', started_at, channel, agent, aspects, open_for, is_resolved,
           coalesce(resolved_at + $8::interval <= $3, false),
           coalesce(resolved_at + $8::interval <= $3 AND reopened_at <= resolved_at + $8::interval, false), 0
    FROM tickets WHERE started_at >= $1 AND started_at < $2
    UNION ALL
    SELECT kind, started_at, channel, agent, aspects, NULL, true,
           CASE kind WHEN 'nps' THEN place >= 0.9 ELSE place >= 0.75 END, kind = 'nps' AND place <= 0.6,
           CASE kind WHEN 'ces' THEN (place * 1000000)::bigint END
    FROM surveys
), named AS (
    SELECT what, dimension, name, extract(epoch FROM took)::bigint AS seconds, has_ended, is_first, is_second, place
    FROM facts CROSS JOIN LATERAL (
        SELECT 'whole' AS dimension, '' AS name
        UNION ALL SELECT 'period', (date_trunc($4, started_at, $5) AT TIME ZONE $5)::date::text
        UNION ALL SELECT 'channel', channel WHERE channel IS NOT NULL
        UNION ALL SELECT 'agent', agent WHERE agent IS NOT NULL
        UNION ALL SELECT DISTINCT 'aspect', unnest(string_to_array(nullif(aspects, ''), ','))
    ) AS names
), bought AS MATERIALIZED (
    SELECT DISTINCT customer_id, (date_trunc($4, occurred_at, $5) AT TIME ZONE $5)::date::text AS period
    FROM orders WHERE kind = 'placed' AND occurred_at >= $1 AND occurred_at < $2
), asked AS MATERIALIZED (
    SELECT DISTINCT customer_id, channel, (date_trunc($4, started_at, $5) AT TIME ZONE $5)::date::text AS period
    FROM contacts WHERE started_at >= $1 AND started_at < $2
)
SELECT what, dimension, name, seconds, has_ended, count(*) AS n,
       CASE WHEN what = 'ces' THEN sum(place)::bigint ELSE count(*) FILTER (WHERE is_first) END AS n_first,
       CASE WHEN what = 'ces' THEN sum(place ^ 2)::bigint ELSE count(*) FILTER (WHERE is_second) END AS n_second
FROM (
    SELECT what, dimension, name, has_ended, is_first, is_second, place::numeric AS place,
           CASE WHEN seconds < 600 THEN seconds
                WHEN seconds < 86400 THEN (seconds + CASE WHEN has_ended THEN 59 ELSE 0 END) / 60 * 60
                ELSE (seconds + CASE WHEN has_ended THEN 3599 ELSE 0 END) / 3600 * 3600 END AS seconds
    FROM named
) AS rounded
GROUP BY what, dimension, name, seconds, has_ended
UNION ALL
SELECT 'buyers', 'whole', '', NULL, true, count(*), count(*) FILTER (WHERE has_asked), 0
FROM (SELECT customer_id, customer_id IN (SELECT customer_id FROM asked) AS has_asked
      FROM bought GROUP BY customer_id) AS buyers
UNION ALL
SELECT 'buyers', 'period', period, NULL, true, count(*),
       count(*) FILTER (WHERE (customer_id, period) IN (SELECT customer_id, period FROM asked)), 0
FROM bought GROUP BY period
UNION ALL
SELECT 'buyers', 'channel', channel, NULL, true, (SELECT count(DISTINCT customer_id) FROM bought),
       count(DISTINCT customer_id), 0
FROM asked WHERE channel IS NOT NULL AND customer_id IN (SELECT customer_id FROM bought) GROUP BY channel
"""


async def counted_cells(
    connection: Any, since: datetime, until: datetime, now: datetime, by: ServicePeriod, time_zone: str
) -> list[Counted]:
    """Return what began from `since` to `until`, by dimension, with how it had gone on by 30 days after `until`."""
    rows = await connection.fetch(
        _STATEMENT,
        since,
        until,
        min(now, until + timedelta(days=30)),
        by,
        time_zone,
        sorted(NOT_A_NEW_CONTACT),
        timedelta(days=3),
        timedelta(days=7),
    )
    return [Counted(*row) for row in rows]
