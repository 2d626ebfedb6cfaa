"""Who bought in which months, summed up, so that counting kept customers need not look at every order.

Writer of buyers_changed is a trigger on orders: whatever changes them (new ones, links, erasures, repairs by hand),
whose they are is noted in the same transaction. services/api/kpi/buyers.py is the only writer of the others; it takes
up what is noted, and sums up the orders that were there before in small steps while the service runs. Creating the
triggers locks orders for a moment; nothing is counted here.
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_UP = (
    # Notes are only added and taken: without an index an import hardly feels them.
    "CREATE TABLE buyers_changed (customer_id text NOT NULL, not_before timestamptz)",
    """
    CREATE TABLE buyers (
        customer_id text PRIMARY KEY,
        months integer[] NOT NULL,
        first_day date NOT NULL,
        second_day date
    )
    """,
    """
    CREATE TABLE buyer_periods (
        n_months smallint NOT NULL,
        first integer NOT NULL,
        period integer NOT NULL,
        was_before boolean NOT NULL,
        n bigint NOT NULL,
        PRIMARY KEY (n_months, first, period, was_before)
    )
    """,
    """
    CREATE TABLE buyer_waits (
        first_day date NOT NULL,
        second_day date,
        n bigint NOT NULL,
        UNIQUE NULLS NOT DISTINCT (first_day, second_day)
    )
    """,
    """
    CREATE TABLE buyer_summary (
        only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
        time_zone text NOT NULL,
        built_to text NOT NULL DEFAULT '',
        is_built boolean NOT NULL DEFAULT false
    )
    """,
    """
    CREATE FUNCTION note_changed_buyers() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP <> 'DELETE' THEN
            INSERT INTO buyers_changed (customer_id) SELECT DISTINCT customer_id FROM new_rows WHERE kind = 'placed';
        END IF;
        IF TG_OP <> 'INSERT' THEN
            INSERT INTO buyers_changed (customer_id) SELECT DISTINCT customer_id FROM old_rows WHERE kind = 'placed';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER note_new_buyers AFTER INSERT ON orders REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_changed_buyers()
    """,
    """
    CREATE TRIGGER note_moved_buyers AFTER UPDATE ON orders REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_changed_buyers()
    """,
    """
    CREATE TRIGGER note_gone_buyers AFTER DELETE ON orders REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_changed_buyers()
    """,
)

_DOWN = (
    "DROP TRIGGER note_new_buyers ON orders",
    "DROP TRIGGER note_moved_buyers ON orders",
    "DROP TRIGGER note_gone_buyers ON orders",
    "DROP FUNCTION note_changed_buyers()",
    "DROP TABLE buyers_changed, buyers, buyer_periods, buyer_waits, buyer_summary",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
