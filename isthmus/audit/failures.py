"""What can stop an audit, each with what happened and what to do: one table for portal, CLI and worker."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from isthmus.audit.model import CollectFailure


class Failure(StrEnum):
    """Every reason, as stored."""

    NOT_READABLE = CollectFailure.NOT_READABLE.value
    FIELD_MISSING = CollectFailure.FIELD_MISSING.value
    LOGIN_COUNT_DIFFERS = CollectFailure.LOGIN_COUNT_DIFFERS.value
    SIGHT_CHANGED = CollectFailure.SIGHT_CHANGED.value
    WINDOW_TOO_DENSE = CollectFailure.WINDOW_TOO_DENSE.value
    ROWS_DIFFER = CollectFailure.ROWS_DIFFER.value
    ANSWER_UNEXPECTED = CollectFailure.ANSWER_UNEXPECTED.value
    LIMITED = CollectFailure.LIMITED.value
    EXPIRED = CollectFailure.EXPIRED.value
    LEASE_LOST = CollectFailure.LEASE_LOST.value
    UNREACHABLE = CollectFailure.UNREACHABLE.value
    MOVER_STOPPED = CollectFailure.MOVER_STOPPED.value
    NO_SANDBOX = CollectFailure.NO_SANDBOX.value
    WORKER_STOPPED = "worker_stopped"
    INTERNAL = "internal"


_WORDS: Final[Mapping[Failure, str]] = MappingProxyType(
    {
        Failure.NOT_READABLE: (
            "The connected user may not read {of}. Give it the permission View Setup and Configuration, and View All "
            "Users where user sharing is private, then run the audit again."
        ),
        Failure.FIELD_MISSING: (
            "A field of {of} that the audit needs is hidden from the connected user. Give its profile or permission "
            "set read access to the fields of {of}, then run the audit again."
        ),
        Failure.LOGIN_COUNT_DIFFERS: (
            "The logins that were read are not as many as the org counts, three times over. Run the audit again later."
        ),
        Failure.SIGHT_CHANGED: (
            "The reading was interrupted, and the connected user does not see the logins that it saw before: it has "
            "other permissions now, or is another user. Run the audit again; it begins anew."
        ),
        Failure.WINDOW_TOO_DENSE: (
            "More than 2,000 users log in within two seconds, which one request cannot show. Tell us: this is a limit "
            "of the audit."
        ),
        Failure.ROWS_DIFFER: "Fewer rows came than the org had announced. Run the audit again.",
        Failure.ANSWER_UNEXPECTED: (
            "The org's answer is not what its documentation promises, so nothing is concluded from it. Check that the "
            "host is a Salesforce org of API version 58.0 or newer."
        ),
        Failure.LIMITED: "The org's API allowance for today is used up. Run the audit again tomorrow.",
        Failure.EXPIRED: "The org does not accept the access token. Connect the org again, or give a fresh token.",
        Failure.LEASE_LOST: (
            "The connection was revoked or needs a new login while the audit was reading. Connect the org again for "
            "audits, then run the audit again."
        ),
        Failure.UNREACHABLE: (
            "The org could not be reached, or its address is not one that Isthmus may talk to. Check the network and "
            "the instance URL, then run the audit again."
        ),
        Failure.MOVER_STOPPED: (
            "The reading process ended before it was done. Run the audit again; `isthmus doctor` says if something is "
            "wrong with this machine."
        ),
        Failure.NO_SANDBOX: (
            "This kernel cannot lock the reading process down (Landlock and seccomp are needed). Use another machine, "
            "or set ISTHMUS_ALLOW_NO_SANDBOX=1, which the trust page shows as a withdrawn promise."
        ),
        Failure.WORKER_STOPPED: (
            "The worker or the keeper was ended in mid-audit again and again, or the job is lost. Run the audit "
            "again; `isthmus doctor` says if something is wrong with this machine."
        ),
        Failure.INTERNAL: "The audit met an error of our own. Run `isthmus doctor`, and report it with the journal.",
    }
)


def explain(failure: Failure, of: str | None) -> str:
    """Return one or two sentences: what happened, and the remedy."""
    return _WORDS[failure].format(of=of or "the licence objects")


class AuditFailed(Exception):
    """An audit that could not be completed; the message says what happened and what to do."""

    def __init__(self, failure: Failure, of: str | None = None) -> None:
        """Keep the reason and, where it matters, the object's name."""
        super().__init__(explain(failure, of))
        self.failure = failure
        self.of = of


class AuditInterrupted(Exception):
    """The reading broke off on the way, and what was read is kept: the next attempt goes on from there."""


ON_THE_WAY: Final = frozenset({Failure.MOVER_STOPPED, Failure.UNREACHABLE})


def goes_on(failure: Failure, *, kept: bool, attempt: int, attempts_max: int) -> bool:
    """Whether another attempt follows one that ended so: the org refused nothing, and more was read than before."""
    return kept and failure in ON_THE_WAY and attempt < attempts_max


class LeasesEnded(AuditFailed):
    """The keeper went away, or could not ask its database, while the mover was at work: to be tried again."""

    def __init__(self) -> None:
        """Be a lost lease for those who cannot try again."""
        super().__init__(Failure.LEASE_LOST)
