"""What must hold across the whole site.

Each check is a pure function from a draft to findings. `OWN` checks run first and look at one resource at a time,
beside the Asterisk: what they find is remembered until one of the two changes. `EXCLUDING` checks follow, in order,
each on what the ones before it left in: what they find takes a resource out. `PARTIAL` checks run last, once it is
settled who is served, and take nobody out. A new check is a function here and a row in its test table.
"""

from collections.abc import Callable, Iterable

from dialplane.plan.checks.cabins import cabin_telephones, duplicate_cabins, numbers_of_test_calls, operators
from dialplane.plan.checks.caller_ids import caller_ids
from dialplane.plan.checks.campaigns import campaign_bots, campaign_tenants
from dialplane.plan.checks.config_maps import config_maps
from dialplane.plan.checks.conflicts import (
    duplicate_dids,
    duplicate_names,
    duplicate_networks,
    duplicate_numbers,
    duplicate_registrations,
    overlapping_binds,
    trusted_certificates,
)
from dialplane.plan.checks.dialogs import dialogs
from dialplane.plan.checks.modems import duplicate_modems, forwarding, names, ways_out
from dialplane.plan.checks.notifiers import filters, silent
from dialplane.plan.checks.numbers import dialled_numbers, forwards
from dialplane.plan.checks.outbound import overlapping_routes, routes_beyond_reach, shortened_emergency_numbers
from dialplane.plan.checks.references import mail_servers, route_targets, schedule_loops, transports, trunks
from dialplane.plan.checks.secrets import secrets
from dialplane.plan.checks.tenants import duplicate_tenants, overlapping_pools, pools
from dialplane.plan.checks.voice_bots import interfaces, messengers, private_addresses, sizes, transfer_names
from dialplane.plan.draft import Draft, Finding

Check = Callable[[Draft], Iterable[Finding]]

OWN: tuple[Check, ...] = (
    secrets,
    config_maps,
    transports,
    names,
    pools,
    dialogs,
    interfaces,
    sizes,
    transfer_names,
    private_addresses,
)

EXCLUDING: tuple[Check, ...] = (
    overlapping_binds,
    duplicate_numbers,
    duplicate_names,
    duplicate_networks,
    duplicate_registrations,
    duplicate_dids,
    trusted_certificates,
    schedule_loops,
    duplicate_modems,
    ways_out,
    duplicate_tenants,
    overlapping_pools,
    campaign_tenants,
    campaign_bots,
    duplicate_cabins,
    cabin_telephones,
)

PARTIAL: tuple[Check, ...] = (
    route_targets,
    mail_servers,
    trunks,
    dialled_numbers,
    forwards,
    forwarding,
    overlapping_routes,
    routes_beyond_reach,
    shortened_emergency_numbers,
    caller_ids,
    filters,
    silent,
    numbers_of_test_calls,
    operators,
    messengers,
)
