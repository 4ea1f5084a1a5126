"""Outbound calls over the Infinity platform: leases of extensions, the calls they live with, and campaigns of them.

Imports `resources`, `store` and `service`; no other service. `web` serves it, `cli` puts it together.
"""
