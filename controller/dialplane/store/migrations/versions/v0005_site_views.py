"""What the leader wants of a site's replicas, and what they report."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """From messages, events, pools, calls, lists of whom not to call, and mailed messages."""
    op.create_table(
        "site_views",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("service", sa.String(length=63), nullable=False),
        sa.Column("term", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site", "service", name=op.f("pk_site_views")),
    )
    op.create_table(
        "replicas",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("replica", sa.String(length=127), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site", "replica", name=op.f("pk_replicas")),
    )
    op.create_table(
        "replica_states",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("replica", sa.String(length=127), nullable=False),
        sa.Column("service", sa.String(length=63), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["site", "replica"],
            ["replicas.site", "replicas.replica"],
            name=op.f("fk_replica_states_site_replicas"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("site", "replica", "service", "subject", name=op.f("pk_replica_states")),
    )
