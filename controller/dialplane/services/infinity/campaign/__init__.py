"""Campaigns: lists of people, called one after the other over a tenant's pool.

Pure: `window` (when it may call), `pacing` (how many calls now), `destination_list` (CSV), `said` (what
is said of one). What waits: `campaigns`, one task of the leader; whom it called is in `store.destinations`.
"""
