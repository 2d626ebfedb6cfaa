"""Who has an alert open now, and which customers are made up.

services/api/presence alone writes alert_presence; what a crash of PostgreSQL takes from it is back within seconds. The
projection alone writes customers.is_demo.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_UP = (
    """
    CREATE UNLOGGED TABLE alert_presence (
        alert_id text NOT NULL,
        key_id text NOT NULL,
        name text NOT NULL,
        since timestamptz NOT NULL,
        seen_at timestamptz NOT NULL,
        PRIMARY KEY (alert_id, key_id)
    )
    """,
    "CREATE INDEX alert_presence_by_age ON alert_presence (seen_at)",
    "ALTER TABLE customers ADD COLUMN is_demo boolean NOT NULL DEFAULT false",
)

_DOWN = ("ALTER TABLE customers DROP COLUMN is_demo", "DROP TABLE alert_presence")


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
