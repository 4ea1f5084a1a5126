"""Bots: their calls, and what was said in them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """From devices."""
    op.create_table(
        "bot_calls",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("bot", sa.String(length=63), nullable=False),
        sa.Column("caller", sa.String(length=40), nullable=False),
        sa.Column("replica", sa.String(length=127), nullable=False),
        sa.Column("campaign", sa.String(length=63), nullable=True),
        sa.Column("destination", sa.String(length=64), nullable=True),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=63), nullable=True),
        sa.Column("target", sa.String(length=63), nullable=True),
        sa.Column("variables", sa.Text(), nullable=False),
        sa.Column("recording", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bot_calls")),
    )
    op.create_index(op.f("ix_bot_calls_site_began_at"), "bot_calls", ["site", "began_at"], unique=False)
    op.create_index(op.f("ix_bot_calls_site_bot_began_at"), "bot_calls", ["site", "bot", "began_at"], unique=False)
    op.create_index(op.f("ix_bot_calls_site_caller"), "bot_calls", ["site", "caller"], unique=False)
    op.create_table(
        "bot_turns",
        sa.Column("call", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("speaker", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=63), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["call"], ["bot_calls.id"], name=op.f("fk_bot_turns_call"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("call", "number", name=op.f("pk_bot_turns")),
    )
