"""Pools, leases, calls and campaign lists: tables, records, and functions of one transaction each."""
