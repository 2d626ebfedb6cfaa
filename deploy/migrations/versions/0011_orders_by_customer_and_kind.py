"""A customer's orders with their kind in the index: key figures of everybody read the index alone.

With a million customers, grouping 2.7 million orders took half the CPU that reading the table did, once measured.
Orders wait while the index is built.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP INDEX orders_by_customer")
    op.execute("CREATE INDEX orders_by_customer ON orders (customer_id, occurred_at DESC) INCLUDE (kind)")


def downgrade() -> None:
    op.execute("DROP INDEX orders_by_customer")
    op.execute("CREATE INDEX orders_by_customer ON orders (customer_id, occurred_at DESC)")
