"""Pools of extensions, one of each tenant: what the manifests ask for, and what each extension does now."""

from typing import Final

import sqlalchemy as sa

from dialplane.store.columns import METADATA, Moment

POOLS: Final = sa.Table(
    "pools",
    METADATA,
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("tenant", sa.String(63), nullable=False),  # the InfinityTenant's name
    sa.Column("strategy", sa.String(32), nullable=False),
    sa.Column("max_calls", sa.Integer, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("turn", sa.Integer, nullable=False),  # RoundRobin: the position that was given last, -1 before the first
    sa.PrimaryKeyConstraint("site", "tenant"),
)
"""Whoever leases locks the tenant's row first: so the maximum holds over any number of processes."""

EXTENSIONS: Final = sa.Table(
    "pool_extensions",
    METADATA,
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("number", sa.String(10), nullable=False),
    sa.Column("tenant", sa.String(63), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),  # in the tenant's pool, from 0
    sa.Column("offline", sa.Boolean, nullable=False),  # somebody took it out of service
    sa.Column("draining", sa.Boolean, nullable=False),  # no longer wanted by the manifest
    sa.Column("call", sa.BigInteger),  # `seq` of the call that holds it
    sa.Column("used", sa.BigInteger, nullable=False),  # `seq` of the last call that held it, 0 before the first
    sa.Column("last_used_at", Moment),
    sa.PrimaryKeyConstraint("site", "number"),
    sa.Index(None, "site", "tenant", "position"),
    sa.Index(None, "site", "tenant", "call", "used", "position"),
)
"""A number has one row in a site, and so one tenant at a time: one that moves from a tenant to another does so when it
is free."""
