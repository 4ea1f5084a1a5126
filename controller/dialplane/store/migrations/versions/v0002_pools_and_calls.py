"""Pools of extensions, calls with their leases, callbacks kept aside, destinations of campaigns."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_LIVE = sa.text("state <> 'released'")
_CALLING = sa.text("state = 'calling'")
_UNTOLD = sa.text("outcome IN ('TimedOut', 'Released')")
_OF_CAMPAIGNS = sa.text("campaign IS NOT NULL")


def upgrade() -> None:
    """From messages and events alone."""
    op.create_table(
        "callbacks_aside",
        sa.Column("seq", _NUMBER, sa.Identity(), autoincrement=True, nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_callbacks_aside")),
        sa.UniqueConstraint("site", "tenant", "digest", name=op.f("uq_callbacks_aside_site_tenant_digest")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "calls",
        sa.Column("seq", _NUMBER, sa.Identity(), autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("number", sa.String(length=10), nullable=False),
        sa.Column("agent", sa.String(length=64), nullable=False),
        sa.Column("callback_number", sa.String(length=32), nullable=False),
        sa.Column("destination", sa.String(length=32), nullable=False),
        sa.Column("caller_number", sa.String(length=32), nullable=True),
        sa.Column("case_id", sa.String(length=64), nullable=True),
        sa.Column("custom", sa.Text(), nullable=False),
        sa.Column("campaign", sa.String(length=63), nullable=True),
        sa.Column("token", sa.String(length=253), nullable=False),
        sa.Column("request_key", sa.String(length=160), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=True),
        sa.Column("dial_seconds", sa.Integer(), nullable=False),
        sa.Column("call_seconds", sa.Integer(), nullable=False),
        sa.Column("answer_lost", sa.Boolean(), nullable=False),
        sa.Column("rung", sa.String(length=8), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dialing_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("record", sa.Text(), nullable=True),
        sa.Column("record_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("provider_uuid", sa.String(length=64), nullable=True),
        sa.Column("ring_seconds", sa.Integer(), nullable=True),
        sa.Column("talk_seconds", sa.Integer(), nullable=True),
        sa.Column("hangup_cause", sa.Integer(), nullable=True),
        sa.Column("recording", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_calls")),
        sa.UniqueConstraint("id", name=op.f("uq_calls_id")),
        sa.UniqueConstraint("site", "token", "request_key", name=op.f("uq_calls_site_token_request_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_calls_live_deadline", "calls", ["deadline"], unique=False, sqlite_where=_LIVE, postgresql_where=_LIVE
    )
    op.create_index(
        "ix_calls_campaign",
        "calls",
        ["site", "campaign", "seq"],
        unique=False,
        sqlite_where=_OF_CAMPAIGNS,
        postgresql_where=_OF_CAMPAIGNS,
    )
    op.create_index(
        "ix_calls_live_tenant",
        "calls",
        ["site", "tenant", "state"],
        unique=False,
        sqlite_where=_LIVE,
        postgresql_where=_LIVE,
    )
    op.create_index(op.f("ix_calls_site_tenant_agent_seq"), "calls", ["site", "tenant", "agent", "seq"], unique=False)
    op.create_index(op.f("ix_calls_site_tenant_seq"), "calls", ["site", "tenant", "seq"], unique=False)
    op.create_index(
        "uq_calls_live_number", "calls", ["site", "number"], unique=True, sqlite_where=_LIVE, postgresql_where=_LIVE
    )
    op.create_table(
        "campaign_destinations",
        sa.Column("seq", _NUMBER, sa.Identity(), autoincrement=True, nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("campaign", sa.String(length=63), nullable=False),
        sa.Column("campaign_uid", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("digits", sa.String(length=32), nullable=False),
        sa.Column("case_id", sa.String(length=64), nullable=True),
        sa.Column("custom", sa.Text(), nullable=False),
        sa.Column("listed", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("request_key", sa.String(length=160), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("call", sa.String(length=40), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_campaign_destinations")),
        sa.UniqueConstraint(
            "site", "campaign_uid", "digits", name=op.f("uq_campaign_destinations_site_campaign_uid_digits")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_campaign_destinations_site_campaign_uid_state_next_at_seq"),
        "campaign_destinations",
        ["site", "campaign_uid", "state", "next_at", "seq"],
        unique=False,
    )
    op.create_index(
        "ix_campaign_destinations_calling",
        "campaign_destinations",
        ["site"],
        unique=False,
        sqlite_where=_CALLING,
        postgresql_where=_CALLING,
    )
    op.create_index(
        "ix_campaign_destinations_untold",
        "campaign_destinations",
        ["site"],
        unique=False,
        sqlite_where=_UNTOLD,
        postgresql_where=_UNTOLD,
    )
    op.create_table(
        "campaign_lists",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("campaign_uid", sa.String(length=64), nullable=False),
        sa.Column("campaign", sa.String(length=63), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("listed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("site", "campaign_uid", name=op.f("pk_campaign_lists")),
    )
    op.create_table(
        "pool_extensions",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("number", sa.String(length=10), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("offline", sa.Boolean(), nullable=False),
        sa.Column("draining", sa.Boolean(), nullable=False),
        sa.Column("call", sa.BigInteger(), nullable=True),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("moves_to", sa.String(length=63), nullable=True),
        sa.Column("moves_position", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("site", "number", name=op.f("pk_pool_extensions")),
    )
    op.create_index(
        "ix_pool_extensions_draining",
        "pool_extensions",
        ["site", "call"],
        unique=False,
        sqlite_where=sa.text("draining"),
        postgresql_where=sa.text("draining"),
    )
    op.create_index(
        op.f("ix_pool_extensions_site_tenant_call_used_position"),
        "pool_extensions",
        ["site", "tenant", "call", "used", "position"],
        unique=False,
    )
    op.create_index(
        op.f("ix_pool_extensions_site_tenant_position"), "pool_extensions", ["site", "tenant", "position"], unique=False
    )
    op.create_table(
        "pools",
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("tenant", sa.String(length=63), nullable=False),
        sa.Column("strategy", sa.String(length=32), nullable=False),
        sa.Column("max_calls", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("site", "tenant", name=op.f("pk_pools")),
    )
