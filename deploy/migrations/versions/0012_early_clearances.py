"""Clearances of alerts that were read before their raise, which another partition holds; they wait for it here."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE early_clearances (
            alert_id text PRIMARY KEY,
            customer_id text NOT NULL,
            record jsonb NOT NULL
        )
        """
    )
    op.execute("CREATE INDEX early_clearances_by_customer ON early_clearances (customer_id)")


def downgrade() -> None:
    op.execute("DROP TABLE early_clearances")
