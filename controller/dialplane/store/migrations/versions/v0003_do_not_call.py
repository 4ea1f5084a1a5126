"""Numbers that are not called, and who changed the list and why."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """From lists of single campaigns alone."""
    op.create_table(
        "do_not_call",
        sa.Column("seq", _NUMBER, sa.Identity(), autoincrement=True, nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token", sa.String(length=253), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_do_not_call")),
        sa.UniqueConstraint("site", "number", "tenant", name=op.f("uq_do_not_call_site_number_tenant")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "do_not_call_changes",
        sa.Column("seq", _NUMBER, sa.Identity(), autoincrement=True, nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("change", sa.String(length=8), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token", sa.String(length=253), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_do_not_call_changes")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_do_not_call_changes_site_seq"), "do_not_call_changes", ["site", "seq"], unique=False)
