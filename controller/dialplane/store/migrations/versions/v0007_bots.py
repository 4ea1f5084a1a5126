"""Bots: their calls, and what was said in them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """From devices."""
    op.create_table(
        "bot_calls",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
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
        sa.Column("recording", sa.String(length=255), nullable=True),
        sa.PrimaryKeyConstraint("site", "id", name=op.f("pk_bot_calls")),
    )
    for columns in (["site", "began_at", "id"], ["site", "bot", "began_at", "id"], ["site", "caller", "began_at"]):
        op.create_index(op.f(f"ix_bot_calls_{'_'.join(columns)}"), "bot_calls", columns, unique=False)
    for name, columns, condition in (
        ("ix_bot_calls_going_on", ["site", "replica"], "ended_at IS NULL"),
        ("ix_bot_calls_destination", ["site", "destination"], "destination IS NOT NULL"),
    ):
        op.create_index(
            name,
            "bot_calls",
            columns,
            unique=False,
            sqlite_where=sa.text(condition),
            postgresql_where=sa.text(condition),
        )
    op.create_table(
        "bot_turns",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("call", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("speaker", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=63), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["site", "call"],
            ["bot_calls.site", "bot_calls.id"],
            name=op.f("fk_bot_turns_site_call"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site", "call", "number", name=op.f("pk_bot_turns")),
    )
