"""From a snapshot to everything that is kept and handed out: report, bundle, documents. Pure."""

from __future__ import annotations

from typing import Final, final

import msgspec

from isthmus.audit.analysis import Basis, analyse
from isthmus.audit.composing.apart import apart
from isthmus.audit.composing.compose import compose
from isthmus.audit.evidence.bundle import Files, bundle_files, fingerprint_of
from isthmus.audit.figures import Report
from isthmus.audit.given.days import day_of
from isthmus.audit.given.exemptions import resolve
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.given.pricebook import price_book
from isthmus.audit.given.pseudonym import pseudonymise
from isthmus.audit.given.snooze import resolve_snoozes
from isthmus.audit.report.files import documents
from isthmus.audit.snapshot import Snapshot
from isthmus.audit.view import View
from isthmus.values import Secret


@final
class Judged:
    """The outcome of an audit. `documents` and `bundle` are files by name, each of them made when it is read.

    `view` and `bundle` hold every user and login that was read, for as long as nobody calls `let_go`.
    """

    __slots__ = ("_read", "documents", "fingerprint", "report")

    def __init__(self, view: View, report: Report, documents: Files, bundle: Files) -> None:
        """Made by `judge_by`."""
        self._read: tuple[View, Files] | None = (view, bundle)
        self.report: Final = report
        self.documents: Final = documents
        self.fingerprint: Final = fingerprint_of(bundle)

    @property
    def view(self) -> View:
        """What was read, as rules look at it."""
        return self._of_reading()[0]

    @property
    def bundle(self) -> Files:
        """The files of the evidence bundle."""
        return self._of_reading()[1]

    def let_go(self) -> None:
        """Drop what was read: it has been written. Report and documents do without it."""
        self._read = None

    def _of_reading(self) -> tuple[View, Files]:
        if self._read is None:
            message = "what was read has been let go"
            raise RuntimeError(message)
        return self._read


def judge(snapshot: Snapshot, options: AuditOptions, org: str) -> Judged:
    """Judge the snapshot. `org` is what the operator calls the org."""
    return judge_by(snapshot, basis_of(snapshot, options), org, options.pseudonym_key)


def basis_of(snapshot: Snapshot, options: AuditOptions) -> Basis:
    """Return what decides figures besides the snapshot; people and findings are looked up in it by what is written."""
    exempt = resolve(options.exemptions, snapshot.users)
    snoozes = resolve_snoozes(options.snooze_lines, snapshot)
    snoozes = msgspec.structs.replace(snoozes, findings=(*options.snoozes, *snoozes.findings))
    today = day_of(snapshot.reading.taken_at, options.thresholds.time_zone)
    prices = price_book(options.prices)
    return Basis(options.thresholds, prices, options.contract, exempt, options.history, snoozes, today)


def judge_by(snapshot: Snapshot, basis: Basis, org: str, pseudonym_key: Secret | None) -> Judged:
    """Judge the snapshot by settings that were looked up in it already."""
    org = str(org)  # an Alias is text with a rule; what is written is the text
    if pseudonym_key is not None:
        snapshot, basis = pseudonymise(snapshot, pseudonym_key), _unnamed(basis)
    report = apart(compose(analyse(snapshot, basis), org))
    bundle = bundle_files(snapshot, basis, org, report)
    # A view of its own: what the rules have looked up is not held while documents are made.
    return Judged(View(snapshot, basis.thresholds), report, documents(report, bundle), bundle)


def _unnamed(basis: Basis) -> Basis:
    """Return the basis without the reasons that somebody wrote: names may stand in them."""
    users = tuple(msgspec.structs.replace(item, reason=item.kind.value) for item in basis.exempt.users)
    findings = tuple(msgspec.structs.replace(item, reason="") for item in basis.snoozes.findings)
    return msgspec.structs.replace(
        basis,
        exempt=msgspec.structs.replace(basis.exempt, users=users),
        snoozes=msgspec.structs.replace(basis.snoozes, findings=findings),
    )
