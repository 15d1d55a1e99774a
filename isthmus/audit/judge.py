"""From a snapshot to everything that is kept and handed out: report, bundle, documents. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from isthmus.audit.analysis import Basis, analyse
from isthmus.audit.bundle import Files, bundle_files
from isthmus.audit.compose import compose
from isthmus.audit.exemptions import resolve
from isthmus.audit.figures import Report
from isthmus.audit.options import AuditOptions
from isthmus.audit.pricebook import price_book
from isthmus.audit.pseudonym import pseudonymise
from isthmus.audit.report.files import documents
from isthmus.audit.snapshot import Snapshot
from isthmus.audit.snooze import resolve_snoozes
from isthmus.audit.view import View


@dataclass(frozen=True, slots=True)
class Judged:
    """The outcome of an audit. `documents` and `bundle` are files by name, each of them made when it is read."""

    view: View
    report: Report
    documents: Files
    bundle: Files


def judge(snapshot: Snapshot, options: AuditOptions, org: str) -> Judged:
    """Judge the snapshot. `org` is what the operator calls the org."""
    org = str(org)  # an Alias is text with a rule; what is written is the text
    exempt = resolve(options.exemptions, snapshot.users, named=options.pseudonym_key is None)
    snoozes = resolve_snoozes(options.snooze_lines, snapshot, named=options.pseudonym_key is None)
    snoozes = msgspec.structs.replace(snoozes, findings=(*options.snoozes, *snoozes.findings))
    if options.pseudonym_key is not None:
        snapshot = pseudonymise(snapshot, options.pseudonym_key)
    basis = Basis(options.thresholds, price_book(options.prices), options.contract, exempt, options.history, snoozes)
    report = compose(analyse(snapshot, basis), org)
    bundle = bundle_files(snapshot, basis, org, report)
    # A view of its own: what the rules have looked up is not held while documents are made.
    return Judged(View(snapshot, basis.thresholds), report, documents(report, bundle), bundle)
