"""The result of planning."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from dialplane.plan.objects import Objects
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.key import Key
from dialplane.resources.manifest import Resource
from dialplane.resources.problem import Problem

Secrets = Mapping[str, Mapping[str, SecretStr]]
"""Secret values by the Secret's name, then by key."""

ConfigMaps = Mapping[str, Mapping[str, str]]
"""Values of ConfigMaps by the ConfigMap's name, then by key."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one resource: its spec and the Secrets it was rendered with.

    `revision` names it; it changes with the spec, with the Secrets, and with whatever else went into its lines. It is
    empty where the resource has no lines: then there is nothing that Asterisk could be asked for.
    """

    resource: Resource
    secrets: Secrets = field(default_factory=dict, repr=False)
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Pbx:
    """The Asterisk that serves the site, and how to speak to it."""

    key: Key
    spec: AsteriskSpec
    username: str | None = None
    """Of the AMI user; None where the spec names no Secret, so that the process's own default serves."""
    secret: SecretStr | None = None
    calls_username: str | None = None
    """Of the AMI user of call control; None likewise."""
    calls_secret: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What one snapshot asks of Asterisk.

    `files` maps a path below the config directory to its whole text, secrets included: never log it.
    `versions` holds each resource that was rendered; `problems` each that was not, or not wholly (`Problem.partial`).
    """

    files: Mapping[str, str] = field(default_factory=dict, repr=False)
    objects: Objects = field(default_factory=Objects, repr=False)
    versions: Mapping[Key, Version] = field(default_factory=dict, repr=False)
    problems: Mapping[Key, tuple[Problem, ...]] = field(default_factory=dict)
    disabled: frozenset[Key] = frozenset()
    """Valid resources that say `enabled: false`."""
    pbx: Pbx | None = None
    revision: str = ""
    """Names all the files together; `status.configRevision`."""
