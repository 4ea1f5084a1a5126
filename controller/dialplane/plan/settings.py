"""What an Asterisk resource says in ordinary files: rtp.conf, cdr.conf, http.conf and such, and the certificates."""

from collections.abc import Iterator

from dialplane.plan.authorities import authorities
from dialplane.plan.dialplan.voicemail import ZONE, ZONE_MESSAGE
from dialplane.plan.objects import KEYS, Certificate, Setting
from dialplane.plan.pjsip.placeholders import placeholder_settings
from dialplane.plan.site import Site


def settings(site: Site) -> Iterator[Setting]:
    """The settings of the site, file by file."""
    key, spec = site.asterisk_key, site.asterisk
    yield Setting("rtp.conf", "general", "rtpstart", str(spec.rtp.port_start), key)
    yield Setting("rtp.conf", "general", "rtpend", str(spec.rtp.port_end), key)
    if spec.rtp.stun_server:
        yield Setting("rtp.conf", "general", "stunaddr", spec.rtp.stun_server, key)
    yield Setting("voicemail.conf", "zonemessages", ZONE, f"{spec.time_zone}|{ZONE_MESSAGE}", key)
    yield Setting("cdr.conf", "general", "enable", "yes" if spec.cdr.enabled else "no", key)
    yield from placeholder_settings(site)
    for transport in spec.transports:
        if transport.protocol == "wss":
            path = f"{spec.config_directory}/{KEYS}/{transport.name}"
            yield Setting("http.conf", "general", "tlsenable", "yes", key)
            yield Setting("http.conf", "general", "tlscertfile", f"{path}.crt", key)
            yield Setting("http.conf", "general", "tlsprivatekey", f"{path}.key", key)


def certificates(site: Site) -> Iterator[Certificate]:
    """The key pair of each transport that shows one, and the authorities of others; PEM, as the Secrets hold it."""
    for each in authorities(site).values():
        if each.owner is not None:
            yield Certificate(each.name, each.certificates, None, each.owner)
    for transport in sorted(site.asterisk.transports, key=lambda t: t.name):
        if transport.certificate_secret_ref:
            name = transport.certificate_secret_ref.name
            yield Certificate(
                transport.name,
                site.secret(site.asterisk_key, name, "tls.crt"),
                site.secret(site.asterisk_key, name, "tls.key"),
                site.asterisk_key,
            )
