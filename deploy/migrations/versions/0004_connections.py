"""Channel connections: those made through the API with their sealed credentials, those of ingest's file, figures.

services/api/connection is the only writer of `connections`. services/ingest writes the other three; removing a
connection through the API takes its figures along.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_UP = (
    """
    CREATE TABLE connections (
        id text PRIMARY KEY,
        provider text NOT NULL,
        settings jsonb NOT NULL DEFAULT '{}',
        credential_names text[] NOT NULL,
        has_previous_secret boolean NOT NULL DEFAULT false,
        sealed bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        created_by text NOT NULL
    )
    """,
    """
    CREATE TABLE file_connections (
        id text PRIMARY KEY,
        provider text NOT NULL,
        settings jsonb NOT NULL DEFAULT '{}',
        credential_names text[] NOT NULL,
        has_previous_secret boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT now()
    )
    """,
    """
    CREATE TABLE connection_figures (
        connection_id text PRIMARY KEY,
        n_received bigint NOT NULL DEFAULT 0,
        last_received_at timestamptz,
        last_rejected_at timestamptz,
        last_rejection_reason text
    )
    """,
    """
    CREATE TABLE connection_rejections (
        connection_id text NOT NULL REFERENCES connection_figures (connection_id) ON DELETE CASCADE,
        reason text NOT NULL,
        n bigint NOT NULL,
        PRIMARY KEY (connection_id, reason)
    )
    """,
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE connection_rejections, connection_figures, file_connections, connections")
