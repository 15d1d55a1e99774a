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
    """The outcome of an audit. `documents` and `bundle` are file contents by name; the bundle's are made when read."""

    view: View
    report: Report
    documents: dict[str, bytes]
    bundle: Files


def judge(snapshot: Snapshot, options: AuditOptions, org: str) -> Judged:
    """Judge the snapshot and make the documents. `org` is what the operator calls the org."""
    org = str(org)  # an Alias is text with a rule; what is written is the text
    exempt = resolve(options.exemptions, snapshot.users, named=options.pseudonym_key is None)
    snoozes = resolve_snoozes(options.snooze_lines, snapshot, named=options.pseudonym_key is None)
    snoozes = msgspec.structs.replace(snoozes, findings=(*options.snoozes, *snoozes.findings))
    if options.pseudonym_key is not None:
        snapshot = pseudonymise(snapshot, options.pseudonym_key)
    basis = Basis(options.thresholds, price_book(options.prices), options.contract, exempt, options.history, snoozes)
    analysis = analyse(snapshot, basis)
    report = compose(analysis, org)
    bundle = bundle_files(snapshot, basis, org, report)
    return Judged(analysis.view, report, documents(report, bundle), bundle)
