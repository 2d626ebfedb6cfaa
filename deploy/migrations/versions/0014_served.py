"""Contacts, surveys, purchases and tickets by whose they are, packed, so that service figures need no message.

Whose messages or orders changed is noted in served_changed, in the same transaction: what is moved or deleted and every
order by triggers, new messages by the projection, whose COPY a trigger on inserts would let insert row by row.
projection_offsets.noted_offset says how far it did: a version that knows nothing of notes leaves it behind.
services/api/kpi/served.py is the only writer of the others and sums up what was there before while the service runs.
Creating the triggers locks interactions and orders for a moment; nothing is counted here. While earlier versions alone
run, notes stay, and the first process of this one takes them up; whom they erase migration 0015 forgets at once.
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_UP = (
    "ALTER TABLE projection_offsets ADD COLUMN noted_offset bigint NOT NULL DEFAULT 0",
    # Notes are only added and taken: without an index an import hardly feels them.
    "CREATE TABLE served_changed (customer_id text NOT NULL, not_before timestamptz)",
    """
    CREATE TABLE served (
        customer_id text PRIMARY KEY,
        first_at timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        facts bytea NOT NULL,
        bought bytea NOT NULL
    )
    """,
    """
    CREATE TABLE served_tickets (
        source text NOT NULL,
        ticket text NOT NULL,
        customer_ids text[] NOT NULL,
        started_at timestamptz,
        fact bytea,
        PRIMARY KEY (source, ticket)
    )
    """,
    "CREATE INDEX served_tickets_by_customer ON served_tickets USING gin (customer_ids)",
    "CREATE TABLE served_agents (id bigint PRIMARY KEY, name text NOT NULL)",
    """
    CREATE TABLE served_summary (
        only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
        built_to text NOT NULL DEFAULT '',
        is_built boolean NOT NULL DEFAULT false
    )
    """,
    "INSERT INTO served_summary DEFAULT VALUES",
    """
    CREATE FUNCTION note_changed_served() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO served_changed (customer_id) SELECT DISTINCT customer_id FROM new_rows;
        END IF;
        IF TG_OP <> 'INSERT' THEN
            INSERT INTO served_changed (customer_id) SELECT DISTINCT customer_id FROM old_rows;
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER note_new_served AFTER INSERT ON orders REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_changed_served()
    """,
    *(
        f"""
        CREATE TRIGGER note_moved_served AFTER UPDATE ON {table} REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
        FOR EACH STATEMENT EXECUTE FUNCTION note_changed_served()
        """
        for table in ("orders", "interactions")
    ),
    *(
        f"""
        CREATE TRIGGER note_gone_served AFTER DELETE ON {table} REFERENCING OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION note_changed_served()
        """
        for table in ("orders", "interactions")
    ),
)

_DOWN = (
    "DROP TRIGGER note_new_served ON orders",
    *(f"DROP TRIGGER note_moved_served ON {table}" for table in ("orders", "interactions")),
    *(f"DROP TRIGGER note_gone_served ON {table}" for table in ("orders", "interactions")),
    "DROP FUNCTION note_changed_served()",
    "DROP TABLE served_changed, served, served_tickets, served_agents, served_summary",
    "ALTER TABLE projection_offsets DROP COLUMN noted_offset",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
