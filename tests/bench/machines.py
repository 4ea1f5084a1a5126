"""A machine for results that were never measured."""

from bench.results import Machine

MACHINE = Machine(date="2026-01-01", cpu="Example", cores=2, memory=2**34, versions={"Python": "3.11"})
