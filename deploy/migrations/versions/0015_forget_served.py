"""Whoever is erased leaves the service figures and their notes at once, whichever version erases him.

Until now the projection's own code forgot him there, so that the version before it left his name in served_changed. A
trigger on the ledger of erasures does it for every version; and of who was erased before and has nothing left no note
is made where rows merely went through him, as what is read late of who was joined to him does. Messages and orders are
written at the same cost: what is new is done where rows are moved or deleted, which links and erasures do.
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_NOTE = """
    CREATE OR REPLACE FUNCTION note_changed_served() RETURNS trigger LANGUAGE plpgsql AS $$
    {declared}
    BEGIN
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO served_changed (customer_id) SELECT DISTINCT customer_id FROM new_rows;
        END IF;
        IF TG_OP <> 'INSERT' THEN
            {gone}
        END IF;
        RETURN NULL;
    END $$
"""
_UP = (
    # The lock is AdvisoryLock.SERVED: who counts meanwhile would put back what is taken away here.
    """
    CREATE FUNCTION forget_served(ids text[]) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock(7305007);
        DELETE FROM served_changed WHERE customer_id = ANY(ids);
        DELETE FROM served WHERE customer_id = ANY(ids);
        -- Should he be where building has come to, it begins again: summing up somebody twice changes nothing.
        UPDATE served_summary SET built_to = '' WHERE built_to = ANY(ids);
        -- Others keep their part of his tickets, and he what came after his erasure.
        WITH gone AS (DELETE FROM served_tickets WHERE customer_ids && ids RETURNING customer_ids)
        INSERT INTO served_changed (customer_id)
        SELECT customer_id FROM (SELECT unnest(customer_ids) AS customer_id FROM gone UNION SELECT unnest(ids)) AS them
        WHERE customer_id <> ALL (ids) OR EXISTS (SELECT FROM interactions AS i WHERE i.customer_id = them.customer_id)
            OR EXISTS (SELECT FROM orders AS o WHERE o.customer_id = them.customer_id);
    END $$
    """,
    """
    CREATE FUNCTION forget_erased_served() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM forget_served(ARRAY[NEW.customer_id]);
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER forget_served AFTER INSERT OR UPDATE ON erasures
    FOR EACH ROW EXECUTE FUNCTION forget_erased_served()
    """,
    _NOTE.format(
        declared="DECLARE erased text[];",
        gone="""
            SELECT array_agg(customer_id) INTO erased
            FROM (SELECT DISTINCT customer_id FROM old_rows) AS gone JOIN erasures USING (customer_id)
            WHERE NOT EXISTS (SELECT FROM interactions AS i WHERE i.customer_id = gone.customer_id)
                AND NOT EXISTS (SELECT FROM orders AS o WHERE o.customer_id = gone.customer_id);
            INSERT INTO served_changed (customer_id)
            SELECT DISTINCT customer_id FROM old_rows WHERE customer_id <> ALL (coalesce(erased, '{}'));
            IF erased IS NOT NULL THEN
                PERFORM forget_served(erased);
            END IF;
        """,
    ),
)

_DOWN = (
    _NOTE.format(
        declared="", gone="INSERT INTO served_changed (customer_id) SELECT DISTINCT customer_id FROM old_rows;"
    ),
    "DROP TRIGGER forget_served ON erasures",
    "DROP FUNCTION forget_erased_served()",
    "DROP FUNCTION forget_served(text[])",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
