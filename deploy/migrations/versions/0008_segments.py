"""Filters of customers kept under a name. Writer: services/api/segment."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE segments (
            id text PRIMARY KEY,
            name text NOT NULL,
            owner text NOT NULL,
            filter jsonb NOT NULL,
            is_shared boolean NOT NULL,
            created_at timestamptz NOT NULL,
            updated_at timestamptz NOT NULL,
            UNIQUE (owner, name)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE segments")
