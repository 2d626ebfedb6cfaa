"""The customers' text index without those who have no text: a customer's every new event would touch it otherwise."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP INDEX customers_search")
    op.execute("CREATE INDEX customers_search ON customers USING gin (search) WHERE search IS NOT NULL")


def downgrade() -> None:
    op.execute("DROP INDEX customers_search")
    op.execute("CREATE INDEX customers_search ON customers USING gin (search)")
