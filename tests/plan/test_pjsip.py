"""What Asterisk is given for a site that says everything. `DIALPLANE_GOLDEN=write pytest …` writes the files anew."""

import os
from itertools import groupby
from pathlib import Path

import pytest

from dialplane.plan.objects import Driver, PjsipType
from dialplane.plan.planner import Planner
from dialplane.plan.render import FILES
from dialplane.reconcile.template_dir import load
from dialplane.resources.snapshot import Snapshot
from tests.plan.office import manifest, snapshot
from tests.plan.reader import read
from tests.plan.rich import ASTERISK, CARRIER, DESK, MANIFESTS, SECRETS, rich

GOLDEN = Path(__file__).with_name("golden")
PLANNER = Planner(load())
PLAN = PLANNER.plan(rich())
SHOWN = [*(path for path in FILES if path != "extensions.conf"), *(driver.file for driver in Driver)]
"""The dialplan has a golden file of its own."""


@pytest.mark.parametrize("path", SHOWN)
def test_a_rich_site_is_rendered_as_it_stands_here(path: str) -> None:
    golden = GOLDEN / path
    if os.environ.get("DIALPLANE_GOLDEN") == "write":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(PLAN.files[path])
    assert PLAN.files[path] == golden.read_text()


def test_the_rich_site_has_no_problem_and_says_every_field_of_its_kinds() -> None:
    assert PLAN.problems == {}
    for kind, spec, left_out in (
        ("Asterisk", ASTERISK, {"ami", "ari", "configDirectory", "restart"}),
        ("Extension", DESK, {"generateCredentials", "webrtc"}),
        ("SipTrunk", CARRIER, {"enabled"}),
    ):
        resource = next(r for k, r in rich().resources.items() if k.kind == kind)
        fields = {info.alias for info in type(resource.spec).model_fields.values()}
        assert fields - set(spec) == left_out


def test_certificates_are_written_as_the_secret_holds_them() -> None:
    for name in ("tls", "browsers"):
        assert PLAN.files[f"keys/{name}.crt"] == SECRETS["tls"]["tls.crt"]
        assert PLAN.files[f"keys/{name}.key"] == SECRETS["tls"]["tls.key"]
    assert PLAN.files["keys/tls.ca.crt"] == SECRETS["authority"]["ca.crt"]
    assert sorted(path for path in PLAN.files if path.startswith("keys/")) == sorted(
        ["keys/tls.ca.crt", *(f"keys/{name}.{end}" for name in ("browsers", "tls") for end in ("crt", "key"))]
    )


@pytest.mark.parametrize(
    ("tls", "options"),
    [
        (None, {"verify_server": "yes", "ca_list_file": "/etc/ssl/certs/ca-certificates.crt"}),
        (
            {"caSecretRef": {"name": "authority"}},
            {"verify_server": "yes", "ca_list_file": "/etc/asterisk/dialplane/keys/out.ca.crt"},
        ),
        ({"verify": False}, {}),
    ],
)
def test_a_carriers_certificate_is_verified_over_the_transport_that_its_trunk_names(
    tls: dict[str, object] | None, options: dict[str, str]
) -> None:
    """A transport of phones verifies nobody: a phone's own certificate is seldom one that an authority vouches for."""
    both = [
        {"name": "phones", "protocol": "tls", "bind": "192.0.2.1", "certificateSecretRef": {"name": "tls"}},
        {"name": "out", "protocol": "tls", "bind": "192.0.2.1:5062"},
    ]
    given = [
        manifest("Asterisk", "pbx", {"transports": both}),
        manifest(
            "SipTrunk", "carrier", {"host": "sip.example.com", "transport": "out"} | ({"tls": tls} if tls else {})
        ),
    ]
    plan = Planner(load()).plan(snapshot(given, SECRETS))
    assert plan.problems == {}
    rendered = {o.id: dict(o.options) for o in plan.objects.pjsip if o.type is PjsipType.TRANSPORT}
    names = ("verify_server", "ca_list_file")
    assert {name: rendered["out"][name] for name in names if name in rendered["out"]} == options
    assert not {"verify_server", "ca_list_file"} & rendered["phones"].keys()
    assert "cert_file" not in rendered["out"]


def test_a_trunk_that_changes_what_it_takes_changes_its_transport_in_the_next_plan() -> None:
    planner = Planner(load())
    out = {"name": "out", "protocol": "tls", "bind": "192.0.2.1:5062"}

    def verifying(**tls: object) -> bool:
        given = [
            manifest("Asterisk", "pbx", {"transports": [out]}),
            manifest("SipTrunk", "carrier", {"host": "sip.example.com", "tls": tls}),
        ]
        return "verify_server = yes" in planner.plan(snapshot(given, SECRETS)).files["pjsip_transport.conf"]

    assert [verifying(), verifying(verify=False), verifying()] == [True, False, True]


def test_asterisk_reads_back_every_option_of_every_object() -> None:
    for kind in PjsipType:
        lines = read(PLAN.files[kind.file]).lines
        found = {
            section: [(line.name, line.value) for line in group]
            for section, group in groupby(lines, key=lambda line: line.section)
        }
        wanted = {
            f"[{o.id}]": [
                ("type", str(kind)),
                *((n, v if isinstance(v, str) else v.get_secret_value()) for n, v in o.options),
            ]
            for o in PLAN.objects.pjsip
            if o.type == kind
        }
        assert found == wanted


def _endpoint(of: Snapshot, number: str) -> dict[str, str]:
    objects = PLANNER.plan(of).objects.pjsip
    (endpoint,) = (o for o in objects if o.type is PjsipType.ENDPOINT and o.id == number)
    return {name: str(value) for name, value in endpoint.options}


def _auth(password: str) -> str:
    site = snapshot(MANIFESTS, {**SECRETS, "carrier": {"username": "account", "password": password}})
    (auth,) = (o for o in PLANNER.plan(site).objects.pjsip if o.type is PjsipType.AUTH and o.owner.kind == "SipTrunk")
    return auth.id


def test_a_rotated_password_of_a_trunk_takes_a_new_auth_and_the_old_one_its_old_name() -> None:
    assert _auth("one") == _auth("one") != _auth("two")


def test_the_name_of_an_auth_depends_on_the_site_so_that_no_table_of_guesses_helps() -> None:
    def name(ami: str) -> str:
        account = {"credentialsSecretRef": {"name": "ami"}}
        manifests = [manifest("Asterisk", "pbx", {**ASTERISK, "ami": account}), *MANIFESTS[1:]]
        site = snapshot(manifests, {**SECRETS, "ami": {"username": "dialplane", "password": ami}})
        (auth,) = (
            o for o in PLANNER.plan(site).objects.pjsip if o.type is PjsipType.AUTH and o.owner.name == "carrier"
        )
        return auth.id

    assert name("one") != name("two")


def test_a_changed_password_changes_the_mark_of_its_endpoint_alone() -> None:
    other = snapshot(MANIFESTS, {**SECRETS, "desk": {**SECRETS["desk"], "password": "other"}})
    assert _endpoint(rich(), "101")["set_var"] != _endpoint(other, "101")["set_var"]
    assert _endpoint(rich(), "102")["set_var"] == _endpoint(other, "102")["set_var"]


def test_one_of_the_phones_changes_and_no_other_revision() -> None:
    changed = [*MANIFESTS[:1], manifest("Extension", "desk", {**DESK, "displayName": "Ada"}), *MANIFESTS[2:]]
    before, after = PLAN.versions, PLANNER.plan(snapshot(changed, SECRETS)).versions
    assert {key.name for key in before if before[key].revision != after[key].revision} == {"desk"}


REGISTERING = {"registration": {}, "credentialsSecretRef": {"name": "carrier"}}


@pytest.mark.parametrize(
    ("spec", "networks"),
    [
        ({"host": "192.0.2.1"}, ["192.0.2.1"]),
        ({"host": "2001:db8::1"}, ["2001:db8::1"]),
        ({"host": "sip.example.com"}, []),
        ({"host": "sip.example.com", "matchNetworks": ["192.0.2.0/24"]}, ["192.0.2.0/24"]),
        ({"host": "192.0.2.1", "matchNetworks": ["198.51.100.0/24"]}, ["198.51.100.0/24"]),
        ({"host": "192.0.2.1", **REGISTERING}, ["192.0.2.1"]),
        ({"host": "2001:db8::1", **REGISTERING}, ["2001:db8::1"]),
        ({"host": "sip.example.com", **REGISTERING}, []),
        ({"host": "127.0.0.1"}, ["127.0.0.1"]),
        ({"host": "127.0.0.1", **REGISTERING}, ["127.0.0.1:5060"]),
        ({"host": "127.0.0.1", "port": 5070, **REGISTERING}, ["127.0.0.1:5070"]),
        ({"host": "127.0.0.1", "transport": "tcp", **REGISTERING}, []),
        ({"host": "::1", **REGISTERING}, []),
    ],
)
def test_a_trunk_is_known_by_its_networks_never_by_a_name(spec: dict[str, object], networks: list[str]) -> None:
    transports = [{"name": p, "protocol": p, "bind": "192.0.2.9"} for p in ("udp", "tcp")]
    pbx = manifest("Asterisk", "pbx", {"transports": transports})
    site = snapshot([pbx, manifest("SipTrunk", "a", spec)], SECRETS)
    found = [o for o in PLANNER.plan(site).objects.pjsip if o.type is PjsipType.IDENTIFY]
    assert [value for o in found for name, value in o.options if name == "match"] == networks


@pytest.mark.parametrize(
    ("host", "port", "transport", "uri"),
    [
        ("sip.example.com", None, None, "sip:sip.example.com"),
        ("sip.example.com", 5070, "udp", "sip:sip.example.com:5070"),
        ("2001:db8::1", None, "tcp", "sip:[2001:db8::1];transport=tcp"),
        ("2001:db8::1", 5071, "tls", "sip:[2001:db8::1]:5071;transport=tls"),
    ],
)
def test_the_carriers_address(host: str, port: int | None, transport: str | None, uri: str) -> None:
    spec = {"host": host} | ({"port": port} if port else {}) | ({"transport": transport} if transport else {})
    site = snapshot([MANIFESTS[0], manifest("SipTrunk", "a", spec)], SECRETS)
    (aor,) = (o for o in PLANNER.plan(site).objects.pjsip if o.type is PjsipType.AOR)
    assert dict(aor.options)["contact"] == uri


@pytest.mark.parametrize(
    ("host", "named", "used"),
    [
        ("sip.example.com", None, "one"),
        ("192.0.2.1", None, "one"),
        ("2001:db8::1", None, "six"),
        ("sip.example.com", "six", "six"),
        ("192.0.2.1", "tcp", "tcp"),
    ],
)
def test_a_trunk_always_names_its_transport(host: str, named: str | None, used: str) -> None:
    """Without a name Asterisk would send by whatever DNS prefers, and from whatever socket it opened first."""
    transports = [
        {"name": "one", "protocol": "udp", "bind": "0.0.0.0:5060"},
        {"name": "another", "protocol": "udp", "bind": "0.0.0.0:5070"},
        {"name": "six", "protocol": "udp", "bind": "[::]:5060"},
        {"name": "tcp", "protocol": "tcp", "bind": "0.0.0.0:5060"},
    ]
    spec = {"host": host, "registration": {}, "credentialsSecretRef": {"name": "carrier"}}
    spec |= {"transport": named} if named else {}
    plan = PLANNER.plan(
        snapshot([manifest("Asterisk", "pbx", {"transports": transports}), manifest("SipTrunk", "a", spec)], SECRETS)
    )
    objects = [o for o in plan.objects.pjsip if o.id == "a" and o.type in {PjsipType.ENDPOINT, PjsipType.REGISTRATION}]
    assert [dict(o.options)["transport"] for o in objects] == [used, used]


def test_a_placeholder_makes_way_for_each_kind_of_transport_that_the_site_has() -> None:
    def said(*binds: str) -> dict[str, str]:
        transports = [{"name": f"t{n}", "protocol": "tcp", "bind": bind} for n, bind in enumerate(binds)]
        plan = PLANNER.plan(snapshot([manifest("Asterisk", "pbx", {"transports": transports})], SECRETS))
        return {line.section: line.value for line in read(plan.files["pjsip_placeholder.conf"]).lines}

    one, two = said("0.0.0.0:5060"), said("0.0.0.0:5060", "[::]:5060", "0.0.0.0:5070")
    assert [*one] == ["[dp_boot_tcp4](+)"]
    assert sorted(two) == ["[dp_boot_tcp4](+)", "[dp_boot_tcp6](+)"]
    assert one["[dp_boot_tcp4](+)"] != two["[dp_boot_tcp4](+)"]
    assert said("0.0.0.0:5060") == one
