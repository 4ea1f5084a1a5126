"""Messages of mailboxes that were mailed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """From messages, events, pools, calls and lists of whom not to call."""
    op.create_table(
        "voice_mailboxes",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("mailbox", sa.String(length=16), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site", "mailbox", name=op.f("pk_voice_mailboxes")),
    )
    op.create_table(
        "voice_mails",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("mailbox", sa.String(length=16), nullable=False),
        sa.Column("message", sa.String(length=64), nullable=False),
        sa.Column("mailed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site", "mailbox", "message", name=op.f("pk_voice_mails")),
    )
