"""The verdicts of earlier passes, and what they mean for the next one."""

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from dialplane.asterisk.mismatch import Mismatch
from dialplane.plan.plan import Pbx, Plan, Secrets, Version
from dialplane.reconcile.notes import Notes
from dialplane.reconcile.revoked import digests
from dialplane.reconcile.session import Outcome
from dialplane.reconcile.verified import Refusal, Verified, VerifiedStore
from dialplane.resources.asterisk import AsteriskSpec
from dialplane.resources.key import Key
from dialplane.resources.references import secret_refs
from dialplane.resources.snapshot import Snapshot

SERVING = "the version verified last goes on serving"
NOT_SERVED = "no version of it was ever verified, so it is left out"


class Memory:
    """What Asterisk was proven to run and what it refused; written through to the store beside the files."""

    def __init__(self, store: VerifiedStore, path: Path) -> None:
        self._store = store
        self.path = path
        self._file = _identity(path)
        self.notes = Notes(store)
        self.verified: dict[Key, Verified] = store.verified()
        self.refused: dict[Key, Refusal] = store.refused()

    @classmethod
    def open(cls, path: Path, fingerprint: str) -> Self:
        """Open the store; another `fingerprint` (of the templates) gives what was refused a new chance."""
        return cls(VerifiedStore.open(path, fingerprint), path)

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    @property
    def lost(self) -> bool:
        """Whether somebody took the file away."""
        try:
            return _identity(self.path) != self._file
        except OSError:
            return True

    def objects(self) -> dict[str, str]:
        """Name and digest of every object that Asterisk was proven to have."""
        return {name: mark for proof in self.verified.values() for name, mark in proof.objects.items()}

    def pbx(self) -> Pbx | None:
        """The Asterisk that was served last: where to go to empty it when its manifest is gone."""
        for key, proof in sorted(self.verified.items()):
            spec = proof.version.resource.spec
            if isinstance(spec, AsteriskSpec):
                reference = spec.ami.credentials_secret_ref
                values = proof.version.secrets.get(reference.name, {}) if reference else {}
                user = values.get("username")
                return Pbx(key, spec, user.get_secret_value() if user else None, values.get("password"))
        return None

    def held(self, snapshot: Snapshot) -> dict[Key, Version | None]:
        """What to render in place of versions that Asterisk refused, as long as nobody has changed them.

        A resource is changed when its spec, one of its `dialplane.io/` annotations or a Secret it refers to is.
        """
        same = {
            key
            for key, refusal in self.refused.items()
            if (resource := snapshot.resources.get(key)) is not None
            and resource == refusal.version.resource
            and referred(key, snapshot) == refusal.version.secrets
        }
        changed = self.refused.keys() - same
        if changed:
            self._store.save(forget_refused=changed)
            self.refused = {key: self.refused[key] for key in same}
        return {key: self.verified[key].version if key in self.verified else None for key in same}

    def reconsider(self) -> None:
        """Give everything that was refused another try."""
        self._store.save(forget_refused=self.refused)
        self.refused = {}

    def judge(self, snapshot: Snapshot, plan: Plan, outcome: Outcome) -> bool:
        """Record what one attempt showed; returns whether Asterisk refused something that it had not refused before."""
        blamed = {
            key
            for key, found in outcome.mismatches.items()
            # A missing module says nothing against the version; other differences may follow from it.
            if key is not None and not any(m.module for m in found) and self._may_refuse(key, snapshot)
        }
        refusals = {
            key: Refusal(
                Version(snapshot.resources[key], referred(key, snapshot)),
                _sentence(outcome.mismatches[key], served=key in self.verified),
            )
            for key in blamed
            if key in plan.versions and key in snapshot.resources and key not in self.refused
        }
        lacking = outcome.lacking
        new = {key: v for key, v in plan.versions.items() if key not in lacking and self._is_new(key, v)}
        objects = digests(plan.objects.readable(), new) if new else {}
        proofs = {key: Verified(version, objects[key]) for key, version in new.items()}
        still_there = bool(outcome.undeleted)
        gone = [] if still_there else [k for k in self.verified if k not in plan.versions and k not in lacking]
        self._store.save(verified=proofs, refused=refusals, forget_verified=gone)
        self.verified.update(proofs)
        self.refused.update(refusals)
        for key in gone:
            del self.verified[key]
        return bool(refusals)

    def blame_the_only_change(self, snapshot: Snapshot, plan: Plan) -> bool:
        """Refuse the one version that is new in a plan whose dialplan Asterisk cannot read; False if there are more."""
        known = self.verified
        new = [key for key, version in plan.versions.items() if self._is_new(key, version)]
        if len(new) != 1 or new[0] in self.refused or not self._may_refuse(new[0], snapshot):
            return False
        (key,) = new
        end = SERVING if key in known else NOT_SERVED
        message = f"Asterisk cannot read the dialplan with this version in it; {end}"
        refusals = {key: Refusal(Version(snapshot.resources[key], referred(key, snapshot)), message)}
        self._store.save(refused=refusals)
        self.refused.update(refusals)
        return True

    def _is_new(self, key: Key, version: Version) -> bool:
        """Whether Asterisk has something to show of it, and another version was the last one proven."""
        proof = self.verified.get(key)
        return bool(version.revision) and (proof is None or proof.version.revision != version.revision)

    def _may_refuse(self, key: Key, snapshot: Snapshot) -> bool:
        """An Asterisk that was never verified stays in: without it the whole site would be left out."""
        resource = snapshot.resources.get(key)
        return key in self.verified or resource is None or not isinstance(resource.spec, AsteriskSpec)


def referred(key: Key, snapshot: Snapshot) -> Secrets:
    """The Secrets that one resource of the snapshot refers to, those that exist."""
    spec = snapshot.resources[key].spec
    if spec is None:
        return {}
    names = sorted({name for _, name, _ in secret_refs(spec, key.name)})
    return {name: snapshot.secrets[name] for name in names if name in snapshot.secrets}


def _identity(path: Path) -> tuple[int, int]:
    """Inode numbers begin anew on another volume."""
    about = path.stat()
    return about.st_dev, about.st_ino


def _sentence(mismatches: Iterable[Mismatch], *, served: bool) -> str:
    said = "; ".join(f"{m.object}{f' {m.field}' if m.field else ''}: {m.message}" for m in mismatches)
    return f"Asterisk does not take this version: {said}; {SERVING if served else NOT_SERVED}"
