"""Outbound calls over the Infinity platform: leases of extensions, the calls they live with, and campaigns of them."""
