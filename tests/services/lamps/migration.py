"""Lamps."""

import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = "HEAD"


def upgrade() -> None:
    op.create_table(
        "lamps",
        sa.Column("site", sa.String(63), nullable=False),
        sa.Column("name", sa.String(63), nullable=False),
        sa.PrimaryKeyConstraint("site", "name", name=op.f("pk_lamps")),
    )
