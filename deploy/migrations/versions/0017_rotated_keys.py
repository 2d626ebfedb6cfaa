"""Since when another API key takes a key's place, so that it is rotated once.

A key that stays valid beside the new one for a while looks like one that simply ends: rotated again, it gave a second
new key, which ended with the old one. Keys rotated by the version before are not known as such.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE api_keys ADD COLUMN rotated_at timestamptz")


def downgrade() -> None:
    op.execute("ALTER TABLE api_keys DROP COLUMN rotated_at")
