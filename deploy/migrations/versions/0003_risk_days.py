"""Risk by day, a customer's currency, and which alerts are held out from action.

Writers: the projection owns customer_risk_daily and customers.currency; services/api/alert owns alerts.is_held_out.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_UP = (
    # The greatest probability of a day, of the model generation that gave it; retention keeps 400 days.
    """
    CREATE TABLE customer_risk_daily (
        customer_id text NOT NULL,
        day date NOT NULL,
        p_leave double precision NOT NULL,
        generation integer NOT NULL,
        PRIMARY KEY (customer_id, day)
    )
    """,
    "CREATE INDEX customer_risk_daily_by_day ON customer_risk_daily (day, p_leave) INCLUDE (customer_id)",
    """
    INSERT INTO customer_risk_daily (customer_id, day, p_leave, generation)
    SELECT customer_id, ((risk ->> 'as_of')::timestamptz AT TIME ZONE 'UTC')::date, p_churn,
           (risk ->> 'generation')::integer
    FROM customers WHERE risk IS NOT NULL AND p_churn IS NOT NULL
    """,
    "ALTER TABLE customers ADD COLUMN currency text",
    # The contract leaves its default out.
    "UPDATE customers SET currency = coalesce(risk ->> 'currency', 'USD') WHERE risk IS NOT NULL",
    "ALTER TABLE alerts ADD COLUMN is_held_out boolean NOT NULL DEFAULT false",
    "ALTER TABLE notification_endpoints ADD COLUMN includes_held_out boolean NOT NULL DEFAULT false",
    # A machine reads the mark and can heed it; endpoints from before were told everything.
    "UPDATE notification_endpoints SET includes_held_out = true WHERE kind = 'webhook'",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE notification_endpoints DROP COLUMN includes_held_out")
    op.execute("ALTER TABLE alerts DROP COLUMN is_held_out")
    op.execute("ALTER TABLE customers DROP COLUMN currency")
    op.execute("DROP TABLE customer_risk_daily")
