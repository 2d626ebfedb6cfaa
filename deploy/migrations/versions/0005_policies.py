"""Who gets an alert, by when, who is told, and when receivers want to be left alone.

Writers: services/api/policy owns policies, policy_position and alert_timers; services/api/notification the columns of
notification_endpoints and notification_jobs.
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_UP = (
    """
    CREATE TABLE policies (
        id text PRIMARY KEY,
        kind text NOT NULL CHECK (kind IN ('assignment', 'escalation', 'routing', 'calendar')),
        position integer NOT NULL,
        is_enabled boolean NOT NULL,
        document jsonb NOT NULL,
        n_assigned bigint NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL,
        created_by text NOT NULL,
        updated_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX policies_in_order ON policies (kind, position, created_at, id)",
    # How far the policies have read the log of alert events; alerts from before they existed are nobody's promise.
    """
    CREATE TABLE policy_position (
        is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
        seq bigint NOT NULL
    )
    """,
    "INSERT INTO policy_position (seq) SELECT coalesce(max(seq), 0) FROM alert_events",
    """
    CREATE TABLE alert_timers (
        alert_id text NOT NULL,
        kind text NOT NULL CHECK (kind IN ('acknowledge', 'resolve', 'step')),
        step integer NOT NULL,
        customer_id text NOT NULL,
        policy_id text NOT NULL,
        due_at timestamptz NOT NULL,
        PRIMARY KEY (alert_id, kind, step)
    )
    """,
    "CREATE INDEX alert_timers_due ON alert_timers (due_at)",
    "CREATE INDEX alert_timers_by_customer ON alert_timers (customer_id)",
    "ALTER TABLE notification_endpoints ADD COLUMN quiet_hours jsonb, ADD COLUMN digest_minutes integer",
    # Jobs with one digest id are one message; the id is the seq of the first of them.
    "ALTER TABLE notification_jobs ADD COLUMN digest_id bigint",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE notification_jobs DROP COLUMN digest_id")
    op.execute("ALTER TABLE notification_endpoints DROP COLUMN quiet_hours, DROP COLUMN digest_minutes")
    op.execute("DROP TABLE alert_timers, policy_position, policies")
