"""Deliveries, and the states that changes are seen against: tables, records, functions of one transaction each."""
