"""Devices: sessions, commands, journals, pictures, telephones, callbacks."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """From what the replicas of a site are to do, and report."""
    op.create_table(
        "device_callbacks",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_device_callbacks")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_device_callbacks_site_device_seq"), "device_callbacks", ["site", "device", "seq"], unique=False
    )
    op.create_index(op.f("ix_device_callbacks_site_due_at"), "device_callbacks", ["site", "due_at"], unique=False)
    op.create_table(
        "device_commands",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("physical", sa.Boolean(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("token", sa.String(length=253), nullable=False),
        sa.Column("request_key", sa.String(length=160), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=True),
        sa.Column("replica", sa.String(length=127), nullable=True),
        sa.Column("sends", sa.Integer(), server_default="0", nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("result", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_device_commands")),
        sa.UniqueConstraint("id", name=op.f("uq_device_commands_id")),
        sa.UniqueConstraint(
            "site", "token", "request_key", "device", name=op.f("uq_device_commands_site_token_request_key_device")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_device_commands_live",
        "device_commands",
        ["site", "device"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'sent', 'acknowledged')"),
        postgresql_where=sa.text("state IN ('queued', 'sent', 'acknowledged')"),
    )
    op.create_index(
        "ix_device_commands_live_deadline",
        "device_commands",
        ["site", "deadline"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'sent', 'acknowledged')"),
        postgresql_where=sa.text("state IN ('queued', 'sent', 'acknowledged')"),
    )
    op.create_index(
        op.f("ix_device_commands_site_device_seq"), "device_commands", ["site", "device", "seq"], unique=False
    )
    op.create_table(
        "device_journal",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_device_journal")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_device_journal_site_at"), "device_journal", ["site", "at"], unique=False)
    op.create_index(
        op.f("ix_device_journal_site_device_seq"), "device_journal", ["site", "device", "seq"], unique=False
    )
    op.create_table(
        "device_presence",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("online", sa.Boolean(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site", "device", name=op.f("pk_device_presence")),
    )
    op.create_table(
        "device_sessions",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("replica", sa.String(length=127), nullable=False),
        sa.Column("was", sa.String(length=127), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("firmware", sa.Text(), nullable=True),
        sa.Column("capabilities", sa.Text(), nullable=False),
        sa.Column("connected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site", "device", name=op.f("pk_device_sessions")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index(op.f("ix_device_sessions_changed_at"), "device_sessions", ["changed_at"], unique=False)
    op.create_table(
        "device_snapshots",
        sa.Column(
            "seq",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=False),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("object", sa.String(length=255), nullable=False),
        sa.Column("media_type", sa.String(length=32), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("command", sa.String(length=40), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_device_snapshots")),
        sa.UniqueConstraint("object", name=op.f("uq_device_snapshots_object")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_device_snapshots_site_device_seq"), "device_snapshots", ["site", "device", "seq"], unique=False
    )
    op.create_index(op.f("ix_device_snapshots_site_taken_at"), "device_snapshots", ["site", "taken_at"], unique=False)
    op.create_table(
        "device_spooled",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site", "id", name=op.f("pk_device_spooled")),
    )
    op.create_index(op.f("ix_device_spooled_site_taken_at"), "device_spooled", ["site", "taken_at"], unique=False)
    op.create_table(
        "device_telephones",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("expected_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("test_call_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("overdue_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("alarm", sa.String(length=16), nullable=True),
        sa.Column("alarm_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("alarm_raised_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("alarm_notified", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site", "device", name=op.f("pk_device_telephones")),
    )
    op.create_index(
        op.f("ix_device_telephones_site_changed_at"), "device_telephones", ["site", "changed_at"], unique=False
    )
    op.create_table(
        "device_uploads",
        sa.Column("ticket_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("command", sa.String(length=40), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("ticket_digest", name=op.f("pk_device_uploads")),
    )
    op.create_index(op.f("ix_device_uploads_expires_at"), "device_uploads", ["expires_at"], unique=False)
    op.create_table(
        "devices",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("device", sa.String(length=63), nullable=False),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("profile", sa.String(length=63), nullable=True),
        sa.Column("token_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("made_by", sa.String(length=253), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site", "device", name=op.f("pk_devices")),
    )
    op.create_table(
        "signing_keys",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("purpose", sa.String(length=63), nullable=False),
        sa.Column("key", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("site", "purpose", name=op.f("pk_signing_keys")),
    )
