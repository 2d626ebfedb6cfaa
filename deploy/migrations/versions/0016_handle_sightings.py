"""In whose histories each handle was seen, so that whose it is after an erasure is not a matter of what was read first.

`handles` says, in one row, whose a handle is today; handle_sightings why: every history an event or a link named it in.
Of them the handle's own id decides, else the least (services/api/identity/decide.py). The projection is the only writer
of both, and forgets a sighting when the history was erased and no event that is left of it names the handle.

The version before writes handles alone. Triggers note its rows here, and leave nothing of whom it erases; it does not
look for who else was seen with his handles, so those sightings go as well and are made again by the next event. What
was seen beside a handle's one row before is not known. Copying the rows takes some seconds a million; nothing waits but
who stores new handles.
"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_UP = (
    """
    CREATE TABLE handle_sightings (
        handle text NOT NULL,
        origin_id text NOT NULL,
        PRIMARY KEY (handle, origin_id)
    )
    """,
    "CREATE INDEX handle_sightings_by_origin ON handle_sightings (origin_id)",
    # Nobody asks for it: first and last events are the customer's.
    "ALTER TABLE handles ALTER COLUMN first_seen_at SET DEFAULT now()",
    """
    CREATE FUNCTION note_handle_sightings() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO handle_sightings (handle, origin_id)
        SELECT handle, coalesce(origin_id, customer_id) FROM new_rows ON CONFLICT DO NOTHING;
        RETURN NULL;
    END $$
    """,
    *(
        f"""
        CREATE TRIGGER note_sightings_{name} AFTER {event} ON handles REFERENCING NEW TABLE AS new_rows
        FOR EACH STATEMENT EXECUTE FUNCTION note_handle_sightings()
        """
        for name, event in (("of_new", "INSERT"), ("of_moved", "UPDATE"))
    ),
    # Whoever makes the tables anew, as docs/operations.md tells, empties handles; perhaps along with this one, which
    # then cannot be emptied a second time but by deleting.
    """
    CREATE FUNCTION forget_all_sightings() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM handle_sightings;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER forget_all_sightings AFTER TRUNCATE ON handles
    FOR EACH STATEMENT EXECUTE FUNCTION forget_all_sightings()
    """,
    "INSERT INTO handle_sightings (handle, origin_id) SELECT handle, coalesce(origin_id, customer_id) FROM handles",
    """
    CREATE FUNCTION forget_erased_sightings() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM handle_sightings AS s
        WHERE s.handle IN (SELECT handle FROM handle_sightings WHERE origin_id = NEW.customer_id)
            AND (NOT EXISTS (SELECT FROM handles AS h WHERE h.handle = s.handle)
                OR s.origin_id = NEW.customer_id AND NOT EXISTS (
                    SELECT FROM interactions AS i
                    WHERE (i.origin_id = s.origin_id OR i.customer_id = s.origin_id AND i.origin_id IS NULL)
                        AND i.event -> 'customer' -> 'handles' ? s.handle
                ));
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER forget_sightings AFTER INSERT OR UPDATE ON erasures
    FOR EACH ROW EXECUTE FUNCTION forget_erased_sightings()
    """,
)

_DOWN = (
    "DROP TRIGGER forget_sightings ON erasures",
    "DROP FUNCTION forget_erased_sightings()",
    *(f"DROP TRIGGER note_sightings_{name} ON handles" for name in ("of_new", "of_moved")),
    "DROP TRIGGER forget_all_sightings ON handles",
    "DROP FUNCTION note_handle_sightings()",
    "DROP FUNCTION forget_all_sightings()",
    "ALTER TABLE handles ALTER COLUMN first_seen_at DROP DEFAULT",
    "DROP TABLE handle_sightings",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
