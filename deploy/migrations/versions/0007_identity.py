"""Links between customers, reversible, with their history and the conflicts a person decides.

The projection is the only writer of customer_links, link_events and of whom a row belongs to. It writes link_conflicts
too; their decision is services/api/identity's. `origin_id` is whose history a row is, whoever it is linked to now;
empty: its customer's own.
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_MOVED = ("interactions", "orders", "handles", "sentiment_labels", "alerts")

_UP = (
    """
    CREATE TABLE customer_links (
        linked_id text PRIMARY KEY,
        into_id text,
        handle text,
        version bigint NOT NULL,
        at timestamptz NOT NULL,
        "by" text NOT NULL,
        reason text NOT NULL
    )
    """,
    "CREATE INDEX customer_links_by_owner ON customer_links (into_id) WHERE into_id IS NOT NULL",
    """
    INSERT INTO customer_links SELECT from_id, into_id, NULL, -1, merged_at, 'unknown', '' FROM customer_merges
    """,
    "DROP TABLE customer_merges",
    """
    CREATE TABLE link_events (
        linked_id text NOT NULL,
        version bigint NOT NULL,
        kind text NOT NULL CHECK (kind IN ('linked', 'unlinked')),
        other_id text NOT NULL,
        handle text,
        at timestamptz NOT NULL,
        "by" text NOT NULL,
        reason text NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (linked_id, version, kind)
    )
    """,
    """
    CREATE TABLE link_conflicts (
        id text PRIMARY KEY,
        linked_id text NOT NULL,
        handle text,
        owner_id text NOT NULL,
        claimant_id text NOT NULL,
        at timestamptz NOT NULL,
        "by" text NOT NULL,
        reason text NOT NULL,
        version integer NOT NULL DEFAULT 1,
        status text NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'merged', 'kept_apart', 'moved')),
        decided_at timestamptz,
        decided_by text,
        note text
    )
    """,
    "CREATE INDEX link_conflicts_newest ON link_conflicts (at DESC, id DESC)",
    *(f"ALTER TABLE {table} ADD COLUMN origin_id text" for table in _MOVED),
    *(f"CREATE INDEX {table}_by_origin ON {table} (origin_id) WHERE origin_id IS NOT NULL" for table in _MOVED),
)

_DOWN = (
    *(f"ALTER TABLE {table} DROP COLUMN origin_id" for table in _MOVED),
    "CREATE TABLE customer_merges (from_id text PRIMARY KEY, into_id text NOT NULL, merged_at timestamptz NOT NULL)",
    "INSERT INTO customer_merges SELECT linked_id, into_id, at FROM customer_links WHERE into_id IS NOT NULL",
    "DROP TABLE link_conflicts, link_events, customer_links",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
