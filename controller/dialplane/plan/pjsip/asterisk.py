"""The PJSIP objects of the Asterisk itself: global, system and transports."""

from collections.abc import Iterator

from dialplane.plan.authorities import Authorities, authorities
from dialplane.plan.objects import KEYS, PjsipObject, PjsipType
from dialplane.plan.pjsip.options import Options, codecs, options, repeated
from dialplane.plan.pjsip.placeholders import PLACEHOLDER, kinds
from dialplane.plan.site import Site
from dialplane.resources.asterisk import Transport

KEEP_ALIVE_SECONDS = 90

WITNESS = "dp_witness_"
"""Begins the name of a transport's witness; `_` stands in no name of a manifest."""

NOWHERE = "dp-nowhere"
"""A context that does not exist."""


def asterisk_objects(site: Site) -> Iterator[PjsipObject]:
    """`global`, then each transport by name. There is no anonymous endpoint, so no identifier for one either.

    The order of identifiers is Asterisk's own, as it keeps the one it started with: what a phone may do must not depend
    on whether the files were there then (measured, 22.10.1). `auth_username` comes last and takes what no name in From
    decides, an anonymous one above all.
    """
    key = site.asterisk_key
    yield PjsipObject(
        PjsipType.GLOBAL,
        "global",
        options(
            ("user_agent", "Dialplane"),
            ("endpoint_identifier_order", "ip,username,auth_username"),
            ("ignore_uri_user_options", True),  # `;npdi=yes` and the like are no part of a number
            ("keep_alive_interval", KEEP_ALIVE_SECONDS),
        ),
        key,
    )
    trusted = authorities(site)
    for transport in sorted(site.asterisk.transports, key=lambda t: t.name):
        rendered = _transport(transport, site.asterisk.config_directory, trusted.get(transport.name))
        yield PjsipObject(PjsipType.TRANSPORT, transport.name, rendered, key)
        yield PjsipObject(PjsipType.ENDPOINT, f"{WITNESS}{transport.name}", _witness(transport.name), key)
    for kind in kinds(site.asterisk.transports):
        placeholder = f"{PLACEHOLDER}{kind}"
        yield PjsipObject(PjsipType.ENDPOINT, f"{WITNESS}{placeholder}", _witness(placeholder), key)


def _witness(transport: str) -> Options:
    """An endpoint that nobody can be: Asterisk shows a transport only beside an endpoint that names it.

    Without it a socket that could not be opened, its port being taken, would go unnoticed.
    """
    return (("transport", transport), ("identify_by", "ip"), ("context", NOWHERE), *codecs(("ulaw",)))


def _transport(transport: Transport, directory: str, trusted: Authorities | None) -> Options:
    shows = transport.protocol == "tls" and transport.certificate_secret_ref
    keys = f"{directory}/{KEYS}/{transport.name}" if shows else None
    return options(
        ("protocol", str(transport.protocol)),
        # A wss transport listens through http.conf; its section only names it, and must still have a bind.
        ("bind", transport.bind or "0.0.0.0"),  # noqa: S104 -- rendered for Asterisk; the user chose it
        ("external_signaling_address", transport.external_address),
        ("external_media_address", transport.external_address),
        ("cert_file", keys and f"{keys}.crt"),
        ("priv_key_file", keys and f"{keys}.key"),
        ("method", "tlsv1_2" if transport.protocol == "tls" else None),
        ("ca_list_file", trusted.file if trusted else None),
        ("verify_server", True if trusted else None),
        ("allow_wildcard_certs", True if trusted else None),  # many carriers show one, and browsers take it
    ) + repeated("local_net", transport.local_networks)
