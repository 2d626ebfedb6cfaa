"""Where alerts are sent, and the queue of what is to be sent. services/api/notification is the only writer."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_UP = (
    """
    CREATE TABLE notification_endpoints (
        id text PRIMARY KEY,
        name text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('webhook', 'slack', 'wecom', 'dingtalk', 'feishu', 'email')),
        url text NOT NULL,
        secret text,
        language text NOT NULL DEFAULT 'en' CHECK (language IN ('en', 'zh')),
        event_types text[],
        severities text[],
        rate_per_minute integer NOT NULL DEFAULT 600,
        is_enabled boolean NOT NULL DEFAULT true,
        disabled_reason text,
        failing_since timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL
    )
    """,
    # A job names its event and its endpoint; the text is made when it is sent, so an erased customer is never sent.
    """
    CREATE TABLE notification_jobs (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        endpoint_id text NOT NULL REFERENCES notification_endpoints (id) ON DELETE CASCADE,
        seq bigint NOT NULL,
        customer_id text NOT NULL,
        status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed', 'dropped')),
        run_at timestamptz NOT NULL DEFAULT now(),
        n_attempts integer NOT NULL DEFAULT 0,
        last_status integer,
        last_error text,
        created_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        UNIQUE (endpoint_id, seq)
    )
    """,
    "CREATE INDEX notification_jobs_due ON notification_jobs (run_at) WHERE status = 'pending'",
    """
    CREATE INDEX notification_jobs_order ON notification_jobs (endpoint_id, customer_id, seq) WHERE status = 'pending'
    """,
    "CREATE INDEX notification_jobs_finished ON notification_jobs (finished_at) WHERE status <> 'pending'",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE notification_jobs, notification_endpoints")
