"""Where the API server keeps each kind."""

from dataclasses import dataclass

from dialplane.kube.inventory import CONFIG_MAP, SECRET
from dialplane.resources.manifest import GROUP, VERSION

HELM_RELEASES = "type!=helm.sh/release.v1"
"""Helm keeps its releases in Secrets of up to 1 MB; a field selector leaves them on the server."""


@dataclass(frozen=True, slots=True)
class Address:
    """One kind as the API server names it. The core group is `""`."""

    kind: str
    group: str
    version: str
    plural: str
    field_selector: str = ""
    metadata_only: bool = False
    """Listed and watched without contents; those that are wanted are read one by one."""

    @property
    def resource(self) -> str:
        """The unmistakable name: `extensions.dialplane.io` (a rival CRD may own the bare plural)."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def group_version(self) -> str:
        """As in a manifest's `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def collection(self, namespace: str) -> str:
        """The path of all objects of this kind in a namespace."""
        return f"/{'apis' if self.group else 'api'}/{self.group_version}/namespaces/{namespace}/{self.plural}"

    def object(self, namespace: str, name: str) -> str:
        """The path of one object."""
        return f"{self.collection(namespace)}/{name}"

    def status(self, namespace: str, name: str) -> str:
        """The path of one object's status."""
        return f"{self.collection(namespace)}/{name}/status"


SECRETS = Address(SECRET, "", "v1", "secrets", HELM_RELEASES)
CONFIG_MAPS = Address(CONFIG_MAP, "", "v1", "configmaps", metadata_only=True)
"""Anybody's, of up to 1 MiB each: the few that a resource refers to are read, no others ever leave the server."""
REFERRED_TO = (SECRETS, CONFIG_MAPS)
PODS = Address("Pod", "", "v1", "pods")
EVENTS = Address("Event", "", "v1", "events")
LEASES = Address("Lease", "coordination.k8s.io", "v1", "leases")


def custom(kind: str, plural: str) -> Address:
    """The address of one of Dialplane's own kinds."""
    return Address(kind, GROUP, VERSION, plural)
