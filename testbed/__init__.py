"""Gets and starts the real parts: Asterisk, SIP peers, carriers, the Kubernetes API.

Tests, the demo and the benchmarks run against what users run, never against a mock of it.
Everything here works on a machine without root rights and without a container engine: what
is missing comes once from the machine's own package mirror, is kept in the user's cache, and
works offline afterwards. Nothing in ``controller/`` may import this package.
"""
