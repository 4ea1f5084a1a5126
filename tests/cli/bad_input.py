"""Manifests that are wrong in one way each, and the one line that says so: what a user can do wrong, as a table."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

OFFICE = """\
apiVersion: dialplane.io/v1alpha1
kind: Asterisk
metadata: {name: office}
spec: {}
"""
PHONE = """\
apiVersion: dialplane.io/v1alpha1
kind: Extension
metadata:
  name: alice
spec:
  number: "101"
  credentialsSecretRef: {name: alice}
"""
NOTIFIER = """\
apiVersion: dialplane.io/v1alpha1
kind: Notifier
metadata:
  name: people
spec:
  urlSecretRef: {name: people, key: password}
  events: [sms.received]
"""
CAMPAIGN = """\
apiVersion: dialplane.io/v1alpha1
kind: Campaign
metadata:
  name: spring
spec:
  tenant: acme
  agents: [{id: ann, callbackNumber: "+15550100"}]
  destinations: {configMapRef: {name: people, key: may.csv}}
"""
TENANT = """\
apiVersion: dialplane.io/v1alpha1
kind: InfinityTenant
metadata: {name: acme}
spec:
  tenantId: "1"
  apiUrl: https://voice.example.com/api
  tokenSecretRef: {name: infinity, key: token}
  extensionPool: {numbers: ["8001-8010"]}
---
apiVersion: v1
kind: Secret
metadata: {name: infinity}
stringData: {token: token-of-the-platform}
"""
PEOPLE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: people}
data:
  may.csv: |
    number
    +15550101
"""
SECRET = """\
apiVersion: v1
kind: Secret
metadata: {name: alice}
stringData: {username: "101", password: long-enough-password}
"""


@dataclass(frozen=True)
class Bad:
    """Files beside a good `office.yaml`, and the whole line that `validate` must print."""

    name: str
    files: dict[str, str | bytes]
    line: str


def _phone(old: str, new: str) -> dict[str, str | bytes]:
    assert old in PHONE
    return {"a.yaml": PHONE.replace(old, new), "s.yaml": SECRET}


def _one(text: str | bytes) -> dict[str, str | bytes]:
    return {"a.yaml": text}


def _more(field: str) -> dict[str, str | bytes]:
    return {"a.yaml": PHONE + f"  {field}\n", "s.yaml": SECRET}


def _list(old: str, new: str) -> dict[str, str | bytes]:
    assert old in PEOPLE
    return {"a.yaml": CAMPAIGN, "p.yaml": PEOPLE.replace(old, new), "t.yaml": TENANT}


def _notifier(field: str) -> dict[str, str | bytes]:
    return {"a.yaml": NOTIFIER + f"  {field}\n", "s.yaml": SECRET.replace("alice", "people")}


def _told(url: str, field: str = "") -> dict[str, str | bytes]:
    text = NOTIFIER + (f"  {field}\n" if field else "")
    return {"a.yaml": text, "s.yaml": SECRET.replace("alice", "people").replace("long-enough-password", url)}


def _called(**spec: str) -> dict[str, str | bytes]:
    """A campaign with an inline list, and fields of its own or its tenant's (`tenant_…`)."""
    campaign = CAMPAIGN.replace("{configMapRef: {name: people, key: may.csv}}", '{inline: [{number: "+4930555010"}]}')
    tenant, secret = TENANT.split("---")
    for name, value in spec.items():
        if name.startswith("tenant_"):
            tenant += f"  {name.removeprefix('tenant_')}: {value}\n"
        else:
            campaign += f"  {name}: {value}\n"
    return {"a.yaml": campaign, "t.yaml": f"{tenant}---{secret}"}


_TODAY = datetime.now(UTC).date()
_ALL_MONDAYS = ", ".join(
    f'"{day}"' for number in range(-2, 420) if (day := _TODAY + timedelta(days=number)).weekday() == 0
)
_MIXED = (
    "numbers with a country and without one are mixed, so that nobody knows which of them are the same: write all of "
    "them with + and the country code, or set numbering.countryCode in the Asterisk or the InfinityTenant"
)

_PLAIN = "and is read as plain text only: decrypt it first"
ENCRYPTED = """\
apiVersion: v1
kind: Secret
metadata: {name: alice}
stringData:
    username: ENC[AES256_GCM,data:Tm8=,iv:AAAA,tag:BBBB,type:str]
    password: ENC[AES256_GCM,data:Tm90aGluZw==,iv:AAAA,tag:BBBB,type:str]
sops:
    age:
        - recipient: age1example
          enc: |
            -----BEGIN AGE ENCRYPTED FILE-----
            -----END AGE ENCRYPTED FILE-----
    lastmodified: "2026-01-02T03:04:05Z"
    mac: ENC[AES256_GCM,data:bWFj,iv:AAAA,tag:BBBB,type:str]
    encrypted_regex: ^(data|stringData)$
    version: 3.9.0
"""
"""A Secret as SOPS writes it."""

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n" for old, new in zip("abcdefg", "bcdefgh", strict=True)
)

TABLE = (
    # The file.
    Bad("empty", _one(""), "a.yaml:1: the file is empty: delete it, or put a manifest into it"),
    Bad("binary", _one(b"\x7fELF\0\0"), "a.yaml:1: is a binary file: remove it from the directory, or rename it"),
    Bad("latin-1", _one(b"a: b\nc: \xe4\n"), "a.yaml:2: is not UTF-8 text: save it as UTF-8"),
    Bad("utf-16", _one("a: b".encode("utf-16")), "a.yaml:1: is UTF-16: save it as UTF-8"),
    Bad(
        "too big",
        _one(b"# " + b"x" * (10 * 1024 * 1024)),
        "a.yaml: 10.0 MiB is more than the 2 MiB a file may have: split it",
    ),
    Bad(
        "git-crypt",
        _one(b"\0GITCRYPT\0\x17\x80"),
        f"a.yaml:1: is encrypted with git-crypt, {_PLAIN} (`git-crypt unlock`)",
    ),
    Bad(
        "ansible-vault",
        _one("$ANSIBLE_VAULT;1.1;AES256\n6162\n"),
        f"a.yaml:1: is encrypted with Ansible Vault, {_PLAIN} (`ansible-vault decrypt`)",
    ),
    Bad(
        "sops",
        {"a.yaml": PHONE, "s.yaml": ENCRYPTED},
        f"s.yaml:5: is encrypted with SOPS, {_PLAIN} (`sops decrypt`)",
    ),
    # YAML.
    Bad(
        "merge key",
        _one(PHONE.replace("spec:", "spec:\n  <<: {maxContacts: 2}")),
        "a.yaml:6: Extension/alice: spec.<<: the key << would merge another mapping, which is not done here: write its"
        " fields out in its place",
    ),
    Bad("tab", _one("a:\n\tb: c\n"), "a.yaml:2: broken YAML: a tab: indent with spaces"),
    Bad(
        "open bracket",
        _one("a: b\nc: [1, 2\n"),
        "a.yaml:2: broken YAML: a bracket that is opened here is never closed: close it",
    ),
    Bad(
        "open quote",
        _one("a: b\nc: 'x\n"),
        "a.yaml:2: broken YAML: a quote that is opened here is never closed: close it",
    ),
    Bad(
        "stray colon",
        _one("a: b\nc: d: e\n"),
        "a.yaml:2: broken YAML: a ':' where none may be: check the indentation, or quote text",
    ),
    Bad(
        "control character", _one("a: b\nc: \x01\n"), "a.yaml:2: the character U+0001 may not stand in YAML: remove it"
    ),
    Bad("at sign", _one("a: @b\n"), "a.yaml:1: broken YAML: text may not start with @: quote it"),
    Bad(
        "python tag",
        _one("a: !!python/object/apply:os.system ['true']\n"),
        "a.yaml:1: the tag tag:yaml.org,2002:python/object/apply:os… is not read: remove it",
    ),
    Bad("own tag", _one("a: !secret b\n"), "a.yaml:1: the tag !secret is not read: remove it"),
    Bad("unknown alias", _one("a: *b\n"), "a.yaml:1: the alias *b has no anchor before it: write the value out"),
    Bad(
        "alias to itself",
        _one("a: &a [*a]\n"),
        "a.yaml:1: the alias *a stands for a value that contains it: write the value out",
    ),
    Bad(
        "alias bomb",
        _one(BOMB),
        "a.yaml:6: more than 200,000 values in one document: split it, or use fewer aliases",
    ),
    Bad("deep nesting", _one("a: " + "[" * 100_000), "a.yaml:1: nested more than 32 levels deep: flatten it"),
    Bad(
        "a name that turns the reading around",
        _more('displayName: "a\\u202e\\x9bb"'),
        'a.yaml:8: Extension/alice: spec.displayName: "a\\u202e\\u009bb" is not a name of 1 to 64 characters, without line '
        "breaks or other control characters",
    ),
    Bad(
        "list as key",
        _one("? [a]\n: b\n"),
        "a.yaml:1: a key must be a word, not a list, mapping or alias; a template ({{ … }}) must be rendered first",
    ),
    Bad(
        "key twice",
        _phone("metadata:", "metadata:\n  namespace: one\n  namespace: two"),
        "a.yaml:5: Extension/alice: metadata.namespace: namespace is given twice, first in line 4: remove one of them",
    ),
    # The frame of a manifest.
    Bad("a list", _one("- a\n"), "a.yaml:1: not a manifest: it must be a mapping with apiVersion, kind and metadata"),
    Bad(
        "no apiVersion",
        _one("kind: Extension\n"),
        "a.yaml:1: apiVersion: is missing: a manifest needs it (dialplane.io/v1alpha1)",
    ),
    Bad(
        "no kind",
        _one("apiVersion: dialplane.io/v1alpha1\n"),
        "a.yaml:1: kind: is missing: a manifest needs it (one of Asterisk, Campaign, Dongle, ElevatorDevice, Extension, InfinityTenant, Notifier, Schedule, SipTrunk, SmsMessage, VoiceBot)",
    ),
    Bad(
        "misspelt kind",
        _phone("kind: Extension", "kind: Extention"),
        "a.yaml:2: Extention/alice: kind: there is no kind Extention: did you mean Extension?",
    ),
    Bad(
        "kind of no resemblance",
        _phone("kind: Extension", "kind: Qqq"),
        "a.yaml:2: Qqq/alice: kind: there is no kind Qqq: use one of Asterisk, Campaign, Dongle, ElevatorDevice, Extension, InfinityTenant, Notifier, Schedule, SipTrunk, SmsMessage, VoiceBot",
    ),
    Bad(
        "misspelt apiVersion",
        _phone("dialplane.io/v1alpha1", "dialplan.io/v1alpha1"),
        "a.yaml:1: Extension/alice: apiVersion: dialplan.io/v1alpha1 has no kind Extension: "
        "did you mean dialplane.io/v1alpha1?",
    ),
    Bad(
        "wrong version",
        _phone("dialplane.io/v1alpha1", "dialplane.io/v2"),
        "a.yaml:1: Extension/alice: apiVersion: dialplane.io/v2 has no kind Extension: did you mean dialplane.io/v1alpha1?",
    ),
    Bad(
        "misspelt Secret",
        {
            "a.yaml": PHONE.replace("credentialsSecretRef: {name: alice}", "generateCredentials: true"),
            "s.yaml": SECRET.replace("Secret\n", "Secrets\n"),
        },
        "s.yaml:2: Secrets/alice: kind: there is no kind Secrets: did you mean Secret?",
    ),
    Bad(
        "no name",
        _phone("  name: alice\n", "  labels: {}\n"),
        "a.yaml:3: Extension: metadata.name: is missing: give the resource a name",
    ),
    Bad(
        "bad name",
        _phone("  name: alice\n", "  name: Alice_1\n"),
        "a.yaml:4: Extension: metadata.name: Alice_1 is no name: use a-z, 0-9 and '-', at most 63, not '-' at either end",
    ),
    Bad(
        "number as name",
        _phone("  name: alice\n", "  name: 101\n"),
        "a.yaml:4: Extension: metadata.name: 101 must be text: quote it",
    ),
    Bad(
        "the same name twice",
        {"a.yaml": PHONE, "b.yaml": "# another\n" + PHONE, "s.yaml": SECRET},
        "b.yaml:2: Extension/alice: also in a.yaml:1: one of the two must go, or take another name",
    ),
    Bad(
        "another namespace",
        {
            "a.yaml": PHONE.replace("  name: alice", "  name: alice\n  namespace: one"),
            "s.yaml": SECRET.replace("name: alice}", "name: alice, namespace: two}"),
        },
        "s.yaml:3: Secret/alice: metadata.namespace: two is not one (of a.yaml:1): a site is one namespace",
    ),
    Bad(
        "misspelt frame",
        _phone("spec:", "spce: {}\nspec:"),
        "a.yaml:5: Extension/alice: spce: there is no such field: did you mean spec?",
    ),
    Bad(
        "misspelt metadata",
        _phone("  name: alice", "  name: alice\n  lables: {a: b}"),
        "a.yaml:5: Extension/alice: metadata.lables: there is no such field: did you mean labels?",
    ),
    Bad(
        "annotation that is no text",
        _phone("  name: alice", "  name: alice\n  annotations:\n    a: 1"),
        "a.yaml:6: Extension/alice: metadata.annotations.a: must be text: quote it",
    ),
    # Words that YAML readers disagree about.
    Bad(
        "octal",
        _phone('"101"', "0101"),
        "a.yaml:6: Extension/alice: spec.number: 0101 is octal to some YAML readers and decimal to others: quote it",
    ),
    Bad(
        "yes",
        _more("webrtc: yes"),
        "a.yaml:8: Extension/alice: spec.webrtc: yes is true or false to some YAML readers and text to others: quote it",
    ),
    Bad(
        "underscore",
        _more("ringSeconds: 1_0"),
        "a.yaml:8: Extension/alice: spec.ringSeconds: 1_0 is a number to some YAML readers and text to others: quote it",
    ),
    Bad(
        "tilde",
        _more("callerId: ~"),
        "a.yaml:8: Extension/alice: spec.callerId: ~ is null: quote it if text was meant, else leave the field out",
    ),
    Bad(
        "no value",
        _more("callerId:"),
        "a.yaml:8: Extension/alice: spec.callerId: has no value: give one, or remove the line",
    ),
    # Notifiers.
    Bad(
        "loop in a template",
        _notifier('template: "{% for x in text %}{% endfor %}"'),
        "a.yaml:8: Notifier/people: spec.template: line 1: a loop is not for templates of notifications",
    ),
    Bad(
        "attribute in a title",
        _notifier('title: "{{ text.upper }}"'),
        "a.yaml:8: Notifier/people: spec.title: line 1: an attribute (a dot) is not for templates of notifications",
    ),
    Bad(
        "a plain https hook",
        _told("https://hooks.example.com/sms"),
        "a.yaml:6: Notifier/people: spec.urlSecretRef: Secret people, key password: https:// is no service of Apprise: a webhook is jsons://…, others have names of their own",
    ),
    Bad(
        "a service that there is not",
        _told("nosuch://hooks.example.com/sms"),
        "a.yaml:6: Notifier/people: spec.urlSecretRef: Secret people, key password: Apprise knows no service of this name",
    ),
    Bad(
        "a filter for a Dongle that there is not",
        _told("json://127.0.0.1", "filter: {dongles: [no-such-dongle]}"),
        "a.yaml:8: Notifier/people: spec.filter.dongles[0]: there is no Dongle 'no-such-dongle': name one that there is, or take it out",
    ),
    Bad(
        "a filter for a trunk that there is not",
        _told("json://127.0.0.1", "filter: {trunks: [carrier]}"),
        "a.yaml:8: Notifier/people: spec.filter.trunks[0]: there is no SipTrunk 'carrier': name one that there is, or take it out",
    ),
    Bad(
        "a Notifier that tells nothing",
        {
            "a.yaml": NOTIFIER.replace("  events: [sms.received]\n", ""),
            "s.yaml": SECRET.replace("alice", "people").replace("long-enough-password", "json://127.0.0.1"),
        },
        "a.yaml:5: Notifier/people: spec.events: tells nothing: list events, or name it in a Dongle's sms.forwardTo",
    ),
    # Campaigns, and what they read.
    Bad(
        "a bad line in a list",
        _list("    +15550101\n", "    +15550101\n    Ada\n"),
        "a.yaml:8: Campaign/spring: spec.destinations.configMapRef: ConfigMap people, key may.csv: line 3, number: not a telephone number: 2 to 20 digits, with at most one + in front",
    ),
    Bad(
        "a list of nothing",
        _list("may.csv: |\n    number\n    +15550101\n", 'may.csv: ""\n'),
        "a.yaml:8: Campaign/spring: spec.destinations.configMapRef: ConfigMap people, key may.csv: line 1: the list is empty: the first line names the columns, one of them `number`",
    ),
    Bad(
        "a list of a header",
        _list("    +15550101\n", ""),
        "a.yaml:8: Campaign/spring: spec.destinations.configMapRef: ConfigMap people, key may.csv: nobody is on the list: add a line for each, below the header",
    ),
    Bad(
        "numbers of two kinds",
        _called(doNotCall='{numbers: ["030555010"]}'),
        f"a.yaml:9: Campaign/spring: spec.doNotCall: {_MIXED}",
    ),
    Bad(
        "numbers of two kinds in a tenant",
        _called(tenant_doNotCall='{numbers: ["030555010", "+4930555011"]}'),
        f"t.yaml:9: InfinityTenant/acme: spec.doNotCall: {_MIXED}",
    ),
    Bad(
        "a number that no country explains",
        _called(tenant_numbering='{countryCode: "49"}', tenant_doNotCall='{numbers: ["30555010"]}'),
        "t.yaml:10: InfinityTenant/acme: spec.doNotCall.numbers[0]: whose number it is cannot be known: write it with + and the country code, or with the national prefix 0; where a spreadsheet has taken a 0 or + away, format the column as text, and enter the numbers again",
    ),
    Bad(
        "windows that never open",
        _called(callingWindows='[{days: [mon], from: "09:00", to: "17:00"}]', holidays=f"[{_ALL_MONDAYS}]"),
        "a.yaml:9: Campaign/spring: spec.callingWindows: its calling windows never open within 400 days: every day of theirs is a holiday",
    ),
    # Secrets: the value is never shown.
    Bad(
        "octal password",
        {"a.yaml": PHONE, "s.yaml": SECRET.replace("password: long-enough-password", "password: 0123456")},
        "s.yaml:4: Secret/alice: stringData.password: this value is octal to some YAML readers and decimal to others: quote it",
    ),
    Bad(
        "number as password",
        {"a.yaml": PHONE, "s.yaml": SECRET.replace("password: long-enough-password", "password: 123456")},
        "s.yaml:4: Secret/alice: stringData.password: must be text: quote it",
    ),
    Bad(
        "not base64",
        {"a.yaml": PHONE, "s.yaml": SECRET + "data: {other: '%%%'}\n"},
        "s.yaml:5: Secret/alice: data.other: is not base64: encode it, or write it under stringData",
    ),
    Bad(
        "misspelt stringData",
        {"a.yaml": PHONE, "s.yaml": SECRET + "stringdata: {a: b}\n"},
        "s.yaml:5: Secret/alice: stringdata: a Secret has no such field: its values stand under stringData or data",
    ),
    # ConfigMaps: a list of people is nobody's business either.
    Bad(
        "no such ConfigMap",
        _one(CAMPAIGN),
        "a.yaml:8: Campaign/spring: spec.destinations.configMapRef: ConfigMap 'people' does not exist in this namespace: create it",
    ),
    Bad(
        "no such key in a ConfigMap",
        _list("may.csv", "june.csv"),
        "a.yaml:8: Campaign/spring: spec.destinations.configMapRef: ConfigMap 'people' has no key 'may.csv' under data: add it, or name another key",
    ),
    Bad(
        "binary data in a ConfigMap",
        {"a.yaml": CAMPAIGN, "p.yaml": PEOPLE + "binaryData: {other: AAAA}\n", "t.yaml": TENANT},
        "p.yaml:8: ConfigMap/people: binaryData: is not read: write the value as text under data",
    ),
    Bad(
        "a number in a ConfigMap",
        _list("data:\n", "data:\n  other: 15550101\n"),
        "p.yaml:5: ConfigMap/people: data.other: must be text: quote it",
    ),
    Bad(
        "an octal number in a ConfigMap",
        _list("data:\n", "data:\n  other: 0155501\n"),
        "p.yaml:5: ConfigMap/people: data.other: this value is octal to some YAML readers and decimal to others: quote it",
    ),
    Bad(
        "stringData in a ConfigMap",
        _list("data:\n", "stringData: {a: b}\ndata:\n"),
        "p.yaml:4: ConfigMap/people: stringData: a ConfigMap has no such field: its values stand under data",
    ),
    Bad(
        "a ConfigMap larger than Kubernetes takes",
        _list("    +15550101\n", "    +15550101\n" * 110_000),
        "p.yaml:4: ConfigMap/people: data: has more than 1 MiB, which Kubernetes would not take: split it into several ConfigMaps",
    ),
    Bad(
        "a ConfigMap of another namespace",
        {
            "a.yaml": CAMPAIGN.replace("name: spring", "name: spring\n  namespace: one"),
            "p.yaml": PEOPLE.replace("{name: people}", "{name: people, namespace: two}"),
            "t.yaml": TENANT,
        },
        "p.yaml:3: ConfigMap/people: metadata.namespace: two is not one (of a.yaml:1): a site is one namespace",
    ),
    Bad(
        "misspelt ConfigMap",
        _list("ConfigMap", "Configmap"),
        "p.yaml:2: Configmap/people: kind: there is no kind Configmap: did you mean ConfigMap?",
    ),
)
