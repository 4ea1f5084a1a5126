"""Inbox, outgoing messages, events, deliveries, known states."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """From an empty database."""
    op.create_table(
        "events",
        sa.Column("seq", _NUMBER, sa.Identity(), autoincrement=True, nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("type", sa.String(length=63), nullable=False),
        sa.Column("subject_kind", sa.String(length=63), nullable=False),
        sa.Column("subject_name", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("fanned_out", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_events_site_fanned_out_seq"), "events", ["site", "fanned_out", "seq"], unique=False)
    op.create_table(
        "inbox",
        sa.Column("seq", _NUMBER, sa.Identity(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("dongle", sa.String(length=63), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("truncated", sa.Boolean(), nullable=False),
        sa.Column("damaged", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_inbox")),
        sa.UniqueConstraint("id", name=op.f("uq_inbox_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_inbox_site_dongle_seq"), "inbox", ["site", "dongle", "seq"], unique=False)
    op.create_index(op.f("ix_inbox_site_seq"), "inbox", ["site", "seq"], unique=False)
    op.create_index(op.f("ix_inbox_site_stored_at"), "inbox", ["site", "stored_at"], unique=False)
    op.create_table(
        "known_states",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("subject", sa.String(length=160), nullable=False),
        sa.Column("state", sa.String(length=63), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site", "subject", name=op.f("pk_known_states")),
    )
    op.create_table(
        "outgoing",
        sa.Column("seq", _NUMBER, sa.Identity(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("source_uid", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=True),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("dongle_asked", sa.String(length=63), nullable=True),
        sa.Column("group_asked", sa.String(length=63), nullable=True),
        sa.Column("validity_minutes", sa.Integer(), nullable=False),
        sa.Column("delivery_report", sa.Boolean(), nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("dongle", sa.String(length=63), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("parts_total", sa.Integer(), nullable=False),
        sa.Column("parts_sent", sa.Integer(), nullable=False),
        sa.Column("parts_delivered", sa.Integer(), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_outgoing")),
        sa.UniqueConstraint("id", name=op.f("uq_outgoing_id")),
        sa.UniqueConstraint("site", "source", "source_uid", name=op.f("uq_outgoing_site_source_source_uid")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_outgoing_site_phase_seq"), "outgoing", ["site", "phase", "seq"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("seq", _NUMBER, sa.Identity(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("event", _NUMBER, nullable=False),
        sa.Column("notifier", sa.String(length=63), nullable=False),
        sa.Column("notifier_uid", sa.String(length=63), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("folded", sa.Integer(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=True),
        sa.Column("window_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["event"], ["events.seq"], name=op.f("fk_deliveries_event")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("event", "notifier", name=op.f("uq_deliveries_event_notifier")),
        sa.UniqueConstraint("id", name=op.f("uq_deliveries_id")),
        sqlite_autoincrement=True,
    )
    for columns in (
        ["event"],
        ["site", "finished_at"],
        ["site", "notifier", "state", "due_at"],
        ["site", "notifier", "topic", "seq"],
    ):
        op.create_index(op.f(f"ix_deliveries_{'_'.join(columns)}"), "deliveries", columns, unique=False)
    op.create_table(
        "outgoing_parts",
        sa.Column("message", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("payload", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("dongle", sa.String(length=63), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("sending_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["message"], ["outgoing.id"], name=op.f("fk_outgoing_parts_message"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message", "number", name=op.f("pk_outgoing_parts")),
        sa.UniqueConstraint("payload", name=op.f("uq_outgoing_parts_payload")),
    )
    op.create_index(op.f("ix_outgoing_parts_state_dongle"), "outgoing_parts", ["state", "dongle"], unique=False)
    op.create_table(
        "outgoing_refusals",
        sa.Column("message", sa.String(length=40), nullable=False),
        sa.Column("dongle", sa.String(length=63), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["message"], ["outgoing.id"], name=op.f("fk_outgoing_refusals_message"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("message", "dongle", name=op.f("pk_outgoing_refusals")),
    )
