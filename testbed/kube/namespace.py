"""A namespace in which the operator has exactly the rights that the chart gives it."""

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import indent
from typing import Any

import aiohttp
import yaml

from dialplane.resources.manifest import API_VERSION, GROUP
from testbed.kube.rest import Answer
from testbed.kube.server import ADMIN, ApiServer
from testbed.manifests import PLURALS

OPERATOR = "operator"
_ROOT = Path(__file__).parents[2]
_FIRST_TO_VALIDATE = (1, 25)
"""The OpenAPI of older servers says too little of CRDs for kubectl."""


class ApiRefusedError(RuntimeError):
    """The API server refused what a test or benchmark needs; the message is the server's."""


def chart_rules() -> list[dict[str, Any]]:
    """The rules of the chart's Role, with the release named `dialplane`."""
    templates = _ROOT / "charts/dialplane/templates"
    role = next(part for part in (templates / "rbac.yaml").read_text().split("\n---\n") if "\nkind: Role\n" in part)
    kinds = (templates / "_kinds.tpl").read_text()
    named = {"dialplane.name": "dialplane", **dict(re.findall(r'define "(.+?)" -\}\}\n(.*?)\n\{\{', kinds, re.DOTALL))}

    def included(include: re.Match[str]) -> str:
        text = named.get(include["name"], "")
        return f"\n{indent(text, ' ' * int(include['by']))}" if include["by"] else text

    plain = re.sub(r'\{\{-? *include "(?P<name>.+?)" \.(?: \| nindent (?P<by>\d+))? *\}\}', included, role)
    plain = re.sub(r"\{\{.*?\}\}", "", plain)
    return [dict(rule) for rule in yaml.safe_load(plain)["rules"]]


@dataclass
class Namespace:
    """A namespace of the API server, made at once; `user` may do there what `rules` say.

    Raises:
        ApiRefusedError: from all methods.
    """

    server: ApiServer
    name: str
    rules: list[dict[str, Any]] = field(default_factory=chart_rules)
    user: str = OPERATOR

    def __post_init__(self) -> None:
        self.create("/api/v1/namespaces", {"metadata": {"name": self.name}})
        self.grant("dialplane", self.rules)

    def grant(self, name: str, rules: list[dict[str, Any]]) -> None:
        """Give the user these rights, by a Role of that name."""
        rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{self.name}"
        subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": self.user}
        role = {"kind": "Role", "apiGroup": "rbac.authorization.k8s.io", "name": name}
        self.create(f"{rbac}/roles", {"metadata": {"name": name}, "rules": rules})
        self.create(f"{rbac}/rolebindings", {"metadata": {"name": name}, "subjects": [subject], "roleRef": role})

    def path(self, kind: str, name: str = "") -> str:
        """The path of all objects of a kind in this namespace, or of one."""
        root = f"/apis/{API_VERSION}" if kind in PLURALS else "/api/v1"
        plural = PLURALS.get(kind, f"{kind.lower()}s")
        return f"{root}/namespaces/{self.name}/{plural}" + (f"/{name}" if name else "")

    def create(self, path: str, body: object) -> None:
        """Create one object, as the admin."""
        _granted(self.server.request("POST", path, body))

    def session(self, *, limit: int, user: str = ADMIN, limit_seconds: float = 300) -> aiohttp.ClientSession:
        """That user's, with so many connections at the most; `limit_seconds` is a request's."""
        trust = ssl.create_default_context(cafile=str(self.server.certificates.authority))
        connector = aiohttp.TCPConnector(ssl=trust, limit=limit)
        bearer = {"Authorization": f"Bearer {self.server.token(user)}"}
        limits = aiohttp.ClientTimeout(total=limit_seconds)
        return aiohttp.ClientSession(self.server.url, connector=connector, headers=bearer, timeout=limits)

    def kubectl(self, *arguments: str, stdin: str | None = None, limit_seconds: float = 60) -> str:
        """Run kubectl in this namespace, as the admin."""
        return self.server.kubectl(f"--namespace={self.name}", *arguments, stdin=stdin, limit_seconds=limit_seconds)

    def items(self, kind: str) -> list[dict[str, Any]]:
        """All objects of a kind."""
        return list(_granted(self.server.request("GET", self.path(kind))).body["items"])


def install_crds(server: ApiServer) -> None:
    """Install ours as a user does it, and return when all kinds are served."""
    validate = "--validate" if server.version >= _FIRST_TO_VALIDATE else "--validate=false"
    server.kubectl("apply", validate, "-f", str(_ROOT / "crds"), limit_seconds=60)
    names = [f"crd/{plural}.{GROUP}" for plural in PLURALS.values()]
    server.kubectl("wait", "--for=condition=Established", "--timeout=30s", *names, limit_seconds=60)


def crds_gone(server: ApiServer, *plurals: str) -> None:
    """Return when these, which somebody has deleted, are gone: only then can they be installed again.

    Raises:
        RuntimeError: not within 30 s.
    """
    names = [f"crd/{plural}.{GROUP}" for plural in plurals]
    server.kubectl("wait", "--for=delete", "--timeout=30s", *names, limit_seconds=60)


def _granted(answer: Answer) -> Answer:
    if not answer.ok:
        raise ApiRefusedError(f"{answer.status}: {answer.message}")
    return answer
