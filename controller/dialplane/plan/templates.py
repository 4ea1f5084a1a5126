"""The Jinja2 environment of every template.

A template lays out one piece of a file (one PJSIP section, one dialplan context, …). It gets data that was already
decided; whatever it prints goes through `escape`. Users may replace any of them by a file of the same name.
"""

import re
from collections.abc import Collection, Mapping

from jinja2 import DictLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from dialplane.plan.digest import digest
from dialplane.plan.escape import argument, finalize, section
from dialplane.plan.objects import PjsipType

_TYPED = re.compile(r"pjsip_.*\.j2")
_OF_TYPES = frozenset(f"pjsip_{kind}.conf.j2" for kind in PjsipType)
"""Templates for the objects of one type; a user may have them, we ship none."""


class Templates:
    """The templates by name, compiled once.

    `sources` maps a template's name (`pjsip.conf.j2`) to its text; reading them from disk is the caller's work.
    `replaced` names those that are not as shipped.

    Raises:
        ValueError: a template for a type of object that is not rendered: a misspelt name would silently do nothing.
    """

    def __init__(self, sources: Mapping[str, str], replaced: Collection[str] = ()) -> None:
        if unknown := sorted(name for name in sources if _TYPED.match(name) and name not in _OF_TYPES):
            raise ValueError(f"{', '.join(unknown)} lays out nothing: there are {', '.join(sorted(_OF_TYPES))}")
        self._environment = ImmutableSandboxedEnvironment(
            loader=DictLoader(dict(sources)),
            undefined=StrictUndefined,
            finalize=finalize,
            autoescape=False,  # not HTML; `finalize` is the escaping of Asterisk's files
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        self._environment.filters.update(section=section, argument=argument)
        self.names = tuple(sorted(sources))
        self.shipped_for_pjsip = not any(name.startswith("pjsip") for name in replaced)
        """Whether the sections of PJSIP's files say what their objects say, and no more."""
        self.fingerprint = digest(sorted(sources.items()))
        """Names these templates: what Asterisk refused of others may be fine with these."""

    def get(self, *names: str) -> Template:
        """The first of `names` that exists, so that a special template may stand before a general one.

        Raises:
            KeyError: none of them exists.
        """
        for name in names:
            if name in self.names:
                return self._environment.get_template(name)
        raise KeyError(f"no template named {' or '.join(names)}")
