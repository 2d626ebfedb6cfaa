"""Answers about effort (CES) and consultations beside the other packed facts of how customers were served.

They stand in a column of their own: the version before reads all of `facts` alike and knows no more than four kinds.
projection_offsets.effort_offset says how far a version that notes consultations did; one that does not leaves it
behind, and the summary then begins anew, as after this migration. While both versions count, a customer whom the
earlier one counted last lacks these facts until the later one counts him: at his next message, or when it begins anew.
"""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE served ADD COLUMN efforts bytea NOT NULL DEFAULT ''")
    op.execute("ALTER TABLE projection_offsets ADD COLUMN effort_offset bigint NOT NULL DEFAULT 0")


def downgrade() -> None:
    op.execute("ALTER TABLE projection_offsets DROP COLUMN effort_offset")
    op.execute("ALTER TABLE served DROP COLUMN efforts")
