"""Customers, interactions, orders, alerts and who may see them.

Writers: the projection of services/api owns customers, handles, interactions, orders, customer_merges, erasures,
dead_letters and projection_offsets; services/api/alert owns alerts and alert_events; services/api/auth owns api_keys,
sessions, idempotency_keys and audit_log. Everyone else reads.
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_UP = """
CREATE TABLE customers (
    customer_id text PRIMARY KEY,
    name text,
    birthday text,
    consent boolean,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    engagement jsonb,
    risk jsonb,
    risk_state text NOT NULL DEFAULT 'unscored',
    p_churn double precision,
    expected_loss double precision,
    tier text,
    n_purchases integer NOT NULL DEFAULT 0,
    last_purchase_at timestamptz,
    merged_into text,
    search tsvector
);
CREATE INDEX customers_at_risk ON customers (expected_loss DESC, customer_id)
    WHERE expected_loss IS NOT NULL AND merged_into IS NULL AND risk_state IN ('active', 'at_risk');
CREATE INDEX customers_by_last_seen ON customers (last_seen_at DESC, customer_id DESC) WHERE merged_into IS NULL;
CREATE INDEX customers_search ON customers USING gin (search);

CREATE TABLE handles (
    handle text PRIMARY KEY,
    customer_id text NOT NULL,
    first_seen_at timestamptz NOT NULL
);
CREATE INDEX handles_by_customer ON handles (customer_id);

-- event_key is a 128-bit hash of (source, event_id). The partition key must be part of every unique key.
CREATE TABLE interactions (
    occurred_at timestamptz NOT NULL,
    event_key uuid NOT NULL,
    customer_id text NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    type text NOT NULL,
    channel text,
    direction text,
    conversation_id text,
    actor_kind text,
    actor_id text,
    language text,
    sentiment_label text,
    sentiment_score real,
    is_complaint boolean NOT NULL DEFAULT false,
    urgency text,
    aspects text[] NOT NULL DEFAULT '{}',
    received_at timestamptz,
    subject text,
    body text,
    event jsonb NOT NULL,
    sentiment jsonb,
    search tsvector,
    PRIMARY KEY (event_key, occurred_at)
) PARTITION BY RANGE (occurred_at);
-- Months before 1990 or after 2100, which only a mistaken clock sends, share one partition.
CREATE TABLE interactions_other PARTITION OF interactions DEFAULT;
CREATE INDEX interactions_timeline ON interactions (customer_id, occurred_at DESC, event_key DESC);
CREATE INDEX interactions_search ON interactions USING gin (search);

CREATE TABLE orders (
    event_key uuid PRIMARY KEY,
    customer_id text NOT NULL,
    order_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('placed', 'returned')),
    amount numeric(21, 6) NOT NULL,
    currency text NOT NULL,
    occurred_at timestamptz NOT NULL
);
CREATE INDEX orders_by_customer ON orders (customer_id, occurred_at DESC);

CREATE TABLE customer_merges (
    from_id text PRIMARY KEY,
    into_id text NOT NULL,
    merged_at timestamptz NOT NULL
);

-- The erasure ledger: what came before is never projected again, whatever is replayed.
CREATE TABLE erasures (
    customer_id text PRIMARY KEY,
    erased_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE alerts (
    alert_id text PRIMARY KEY,
    customer_id text NOT NULL,
    version integer NOT NULL,
    status text NOT NULL,
    severity text NOT NULL,
    cause text NOT NULL,
    tier text,
    expected_loss double precision,
    assignee text,
    snoozed_until timestamptz,
    is_historical boolean NOT NULL,
    raised_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    state jsonb NOT NULL
);
CREATE INDEX alerts_live ON alerts (raised_at DESC, alert_id DESC) WHERE NOT is_historical;
CREATE INDEX alerts_live_by_status ON alerts (status, raised_at DESC, alert_id DESC) WHERE NOT is_historical;
CREATE INDEX alerts_all ON alerts (raised_at DESC, alert_id DESC);
CREATE INDEX alerts_by_customer ON alerts (customer_id, raised_at DESC);
CREATE INDEX alerts_snoozed ON alerts (snoozed_until) WHERE status = 'snoozed';

-- seq is taken under an advisory lock held until commit, so seq order is commit order (ADR 0012).
CREATE SEQUENCE alert_events_seq;
CREATE TABLE alert_events (
    seq bigint PRIMARY KEY,
    alert_id text NOT NULL,
    customer_id text NOT NULL,
    version integer NOT NULL,
    type text NOT NULL,
    at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    actor text,
    is_historical boolean NOT NULL,
    event jsonb NOT NULL,
    alert jsonb NOT NULL,
    UNIQUE (alert_id, version)
);
CREATE INDEX alert_events_live ON alert_events (seq) WHERE NOT is_historical;
CREATE INDEX alert_events_by_customer ON alert_events (customer_id);

CREATE FUNCTION refuse_rewriting_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('pulseline.is_erasing', true) = 'on' THEN
        RETURN COALESCE(NEW, OLD);
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER alert_events_append_only BEFORE UPDATE OR DELETE ON alert_events
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting_history();

CREATE TABLE projection_offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, partition)
);

CREATE TABLE dead_letters (
    id text PRIMARY KEY,
    stage text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    reason text NOT NULL,
    error text NOT NULL,
    pointer text NOT NULL,
    first_seen_at timestamptz NOT NULL,
    attempts integer NOT NULL,
    key bytea,
    value bytea,
    headers jsonb NOT NULL,
    status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'replayed', 'discarded')),
    handled_at timestamptz,
    handled_by text,
    note text
);
CREATE INDEX dead_letters_newest ON dead_letters (first_seen_at DESC, id DESC);
CREATE INDEX dead_letters_open ON dead_letters (stage, reason) WHERE status = 'open';

CREATE TABLE api_keys (
    id text PRIMARY KEY,
    prefix text NOT NULL UNIQUE,
    key_hash bytea NOT NULL UNIQUE,
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'agent', 'supervisor', 'admin', 'integrator')),
    scopes text[],
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text,
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz
);

CREATE TABLE sessions (
    session_hash bytea PRIMARY KEY,
    csrf_token text NOT NULL,
    key_id text NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

CREATE TABLE idempotency_keys (
    key_id text NOT NULL,
    idempotency_key text NOT NULL,
    request_hash bytea NOT NULL,
    status integer NOT NULL,
    body bytea NOT NULL,
    headers jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (key_id, idempotency_key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    role text NOT NULL,
    action text NOT NULL,
    target_type text NOT NULL,
    target_id text NOT NULL,
    request_id text,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_log_by_target ON audit_log (target_type, target_id, id DESC);
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION refuse_rewriting_history();

-- What agents say a text really was; services/sentiment retrains on an export of it.
CREATE TABLE sentiment_labels (
    event_key uuid PRIMARY KEY,
    customer_id text NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    label text NOT NULL CHECK (label IN ('negative', 'neutral', 'positive')),
    aspects text[] NOT NULL DEFAULT '{}',
    is_complaint boolean,
    labelled_by text NOT NULL,
    labelled_at timestamptz NOT NULL
);
CREATE INDEX sentiment_labels_newest ON sentiment_labels (labelled_at DESC, event_key DESC);
"""

_DOWN = """
DROP TABLE sentiment_labels, audit_log, idempotency_keys, sessions, api_keys, dead_letters, projection_offsets,
    alert_events, alerts, erasures, customer_merges, orders, interactions, handles, customers;
DROP SEQUENCE alert_events_seq;
DROP FUNCTION refuse_rewriting_history();
"""


def upgrade() -> None:
    _execute(_UP)


def downgrade() -> None:
    _execute(_DOWN)


def _execute(script: str) -> None:
    # asyncpg prepares one statement at a time; only function bodies hold semicolons of their own.
    statement: list[str] = []
    is_in_body = False
    for line in script.splitlines():
        statement.append(line)
        is_in_body ^= line.count("$$") % 2 == 1
        if line.rstrip().endswith(";") and not is_in_body:
            op.execute("\n".join(statement))
            statement.clear()
