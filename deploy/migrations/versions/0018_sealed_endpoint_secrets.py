"""Secrets of notification endpoints are sealed, and so are kept answers that tell one (ADR 0025).

`secret` stays for the version before, which may still run beside this one: a plain secret that stands in it is left
until `plain_until`, an hour after this migration or after the version before wrote it, and is then sealed. Of two the
plain one is the newer, since whoever seals clears it.

Downgraded, an endpoint would go on without its signature: it is switched off, and says why.
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_UP = (
    """
    ALTER TABLE notification_endpoints ADD COLUMN sealed_secret bytea,
        ADD COLUMN plain_until timestamptz NOT NULL DEFAULT now() + interval '1 hour'
    """,
    "ALTER TABLE idempotency_keys ADD COLUMN is_sealed boolean NOT NULL DEFAULT false",
)
_DOWN = (
    """
    UPDATE notification_endpoints SET is_enabled = false, disabled_reason = 'its secret was sealed: set it again'
    WHERE sealed_secret IS NOT NULL AND secret IS NULL
    """,
    "ALTER TABLE notification_endpoints DROP COLUMN sealed_secret, DROP COLUMN plain_until",
    "DELETE FROM idempotency_keys WHERE is_sealed",
    "ALTER TABLE idempotency_keys DROP COLUMN is_sealed",
)


def upgrade() -> None:
    for statement in _UP:
        op.execute(statement)


def downgrade() -> None:
    for statement in _DOWN:
        op.execute(statement)
