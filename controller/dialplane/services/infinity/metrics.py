"""What an on-call engineer needs to see of outbound calls (Prometheus). docs/operations.md explains each.

Tenants are labels, for a site has few of them; no label names an extension, a number or a person.
"""

from prometheus_client import Counter, Gauge, Histogram

_WAITS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0)
_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0)

CALLS = Counter("dialplane_infinity_calls_total", "Outbound calls that are over, by how.", ["tenant", "outcome"])
DENIED = Counter("dialplane_infinity_leases_denied_total", "Calls that got no extension.", ["tenant", "reason"])
LEASE_SECONDS = Histogram(
    "dialplane_infinity_lease_seconds", "From asking for an extension to having one, waiting included.", buckets=_WAITS
)
MAKE_CALL_SECONDS = Histogram(
    "dialplane_infinity_make_call_seconds", "From asking for a call to knowing what became of it.", buckets=_SECONDS
)
PROVIDER_SECONDS = Histogram(
    "dialplane_infinity_provider_seconds", "How long the platform took to answer.", ["result"], buckets=_SECONDS
)
CALLBACKS = Counter("dialplane_infinity_callbacks_total", "The platform's records of calls.", ["result"])
EXTENSIONS = Gauge("dialplane_infinity_extensions", "Extensions of the pools.", ["tenant", "state"])
BREAKER = Gauge("dialplane_infinity_breaker_open", "Whether the platform is not asked for a while.", ["tenant"])
