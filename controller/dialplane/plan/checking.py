"""A site from its shares to a draft that holds only what can be served, as far as the checks can tell."""

from collections.abc import Mapping

from dialplane.plan.checks import EXCLUDING, OWN
from dialplane.plan.draft import Draft, Finding
from dialplane.plan.roll import Share
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.key import Key
from dialplane.resources.problem import Problem, Reason


def draft_of(shares: Mapping[Key, Share], expecting: Key | None = None) -> Draft:
    """Return the draft of a site with its Asterisk chosen; whatever is invalid by itself is out already.

    Args:
        shares: the resources, eldest first.
        expecting: see `Draft`.
    """
    enabled = {key: share.resource for key, share in shares.items() if share.enabled}
    draft = Draft(
        enabled,
        {key: share.secrets for key, share in shares.items()},
        config_maps={key: share.config_maps for key, share in shares.items() if share.config_maps},
        disabled={key: share.resource for key, share in shares.items() if not share.enabled},
        expecting=expecting,
    )
    draft.note([(key, p) for key, r in enabled.items() if r.problems for p in r.problems])
    pbxes = draft.of(AsteriskSpec)
    if pbxes:
        draft.asterisk_key, draft.asterisk = pbxes[0]
        message = f"{draft.asterisk_key} serves this namespace already; a namespace has one Asterisk"
        draft.note([(key, Problem(Reason.CONFLICT, message)) for key, _ in pbxes[1:]])
    else:
        message = "no valid Asterisk in this namespace; create one"
        draft.note([(key, Problem(Reason.ASTERISK_MISSING, message)) for key in list(draft.resources)])
    return draft


class Checker:
    """Checks one site again and again, and asks the checks of single resources only about what is new."""

    def __init__(self) -> None:
        self._own: dict[Key, tuple[Share, tuple[Problem, ...]]] = {}
        self._beside: tuple[Key | None, AsteriskSpec | None] = (None, None)

    def exclude(self, draft: Draft, shares: Mapping[Key, Share]) -> None:
        """Run the OWN and the EXCLUDING checks; a resource with a problem that is not partial is taken out.

        Args:
            draft: as `draft_of` makes it.
            shares: what it was made of; a share that is the same object as last time is not checked by itself again.
        """
        draft.note(self._findings(draft, shares))
        for check in EXCLUDING:
            draft.note(check(draft))

    def _findings(self, draft: Draft, shares: Mapping[Key, Share]) -> list[Finding]:
        beside = draft.asterisk_key, draft.asterisk
        known = self._own if all(one is other for one, other in zip(beside, self._beside, strict=True)) else {}
        new = {key: r for key, r in draft.resources.items() if key not in known or known[key][0] is not shares[key]}
        own = Draft(
            dict(new), draft.secrets, draft.asterisk_key, draft.asterisk, draft.config_maps, expecting=draft.expecting
        )
        for check in OWN:
            own.note(check(own))
        found = {key: (shares[key], tuple(own.problems.get(key, ()))) for key in new}
        self._own = {key: found.get(key) or known[key] for key in draft.resources}
        self._beside = beside
        return [(key, problem) for key, (_, problems) in self._own.items() for problem in problems]


def note_without_asterisk(draft: Draft) -> None:
    """Note of whatever is left that the site's Asterisk has problems of its own, so that nothing is served."""
    message = f"{draft.asterisk_key} has problems of its own; mend them first"
    draft.note([(key, Problem(Reason.ASTERISK_MISSING, message)) for key in draft.resources])
