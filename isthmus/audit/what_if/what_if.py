"""What an audit would print with other settings, without reading the org or writing documents. Pure.

Thresholds, prices, exemptions and snoozes may differ; snapshot, contract and history stay. What no setting changes is
kept as columns (`seat_columns`), so a question costs some vector operations instead of an analysis, and gets exactly
the analysis's figures: tests compare them over random settings, and `check` over an audit's own.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from isthmus.audit.analysis import Analysis, Basis, prices_of, skipped_rules, terms_of
from isthmus.audit.composing.pools import license_line
from isthmus.audit.figures import Report
from isthmus.audit.given.exemptions import Directory, Exempt, Exemption
from isthmus.audit.given.options import Thresholds
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.given.snooze import Snoozes
from isthmus.audit.rules.registry import GATES
from isthmus.audit.snapshot import Snapshot
from isthmus.audit.view import View
from isthmus.audit.what_if.answer import Answer, WhatIfFigures
from isthmus.audit.what_if.seat_columns import columns_of

_NAME_BYTES = 200
"""About what a name or an address takes in the directory."""


class WhatIf(msgspec.Struct, frozen=True):
    """Settings to try. None: as the audit has it. `leave`: further exemptions; a person's first one holds."""

    thresholds: Thresholds | None = None
    prices: tuple[CustomerPrice, ...] | None = None
    exemptions: tuple[Exemption, ...] | None = None
    snoozes: Snoozes | None = None
    leave: tuple[Exemption, ...] = ()


class OtherFigures(Exception):
    """The audit's own report has other figures than these rules give: another version of Isthmus made it."""


class WhatIfTable:
    """One audit made ready for questions. Keeps no names but those that exemptions may use; safe to share."""

    def __init__(self, snapshot: Snapshot, basis: Basis) -> None:
        """Take what the audit's bundle holds, and do now what no setting changes. Raises `NotColumnar`."""
        view = View(snapshot, basis.thresholds, history=basis.history)
        gates = tuple(result for gate in GATES for result in gate.examine(view))
        self._columns = columns_of(view, skipped_rules(snapshot, gates))
        self._directory = Directory(snapshot.users)
        bare = replace(snapshot, users=(), logins=type(snapshot.logins)(), assigns=())
        prices = prices_of(snapshot, basis, terms_of(snapshot, basis))
        still = Analysis(view, basis, gates, (), frozenset(), frozenset(), prices, {})
        rows = sorted(snapshot.licenses, key=lambda row: (-row.used, row.id))
        self._lines = tuple(license_line(still, row) for row in rows)
        self._basis = basis
        # What is left of the analysis has no user in it.
        self._still = replace(still, view=View(bare, basis.thresholds, history=basis.history))

    @property
    def bytes(self) -> int:
        """About how much memory the table takes."""
        return self._columns.bytes + len(self._directory) * _NAME_BYTES

    @property
    def basis(self) -> Basis:
        """The audit's own settings."""
        return self._basis

    def ask(self, what: WhatIf) -> WhatIfFigures:
        """Return the figures with these settings."""
        return self.figures(self.settings(what))

    def settings(self, what: WhatIf) -> Basis:
        """Return all settings that a question is answered with.

        In a pseudonymous audit nobody is known by address, so there new `exemptions` meet no user.
        """
        own = self._basis
        exempt = own.exempt if what.exemptions is None else self._directory.resolve(what.exemptions)
        exempt = _both(exempt, self._directory.resolve(what.leave))
        prices = own.prices if what.prices is None else msgspec.structs.replace(own.prices, own=what.prices)
        return Basis(
            thresholds=what.thresholds or own.thresholds,
            prices=prices,
            contract=own.contract,
            exempt=exempt,
            history=own.history,
            snoozes=own.snoozes if what.snoozes is None else what.snoozes,
            today=own.today,
        )

    def figures(self, basis: Basis) -> WhatIfFigures:
        """Return the figures with these settings, all given."""
        return Answer(self._columns, self._still, self._lines, basis).figures()

    def check(self, report: Report) -> WhatIfFigures:
        """Return the audit's own figures. Raises `OtherFigures` if they are not those of its report."""
        own = self.figures(self._basis)
        for name in WhatIfFigures.__struct_fields__:
            if getattr(own, name) != getattr(report, name):
                raise OtherFigures(name)
        return own


def _both(first: Exempt, more: Exempt) -> Exempt:
    """Return both lists as one; who is in the first stays as they are there."""
    known = {item.user for item in first.users}
    added = [item for item in more.users if item.user not in known]
    again = len(more.users) - len(added)
    return Exempt((*first.users, *added), first.unmatched + more.unmatched + again)


__all__ = ["OtherFigures", "WhatIf", "WhatIfFigures", "WhatIfTable"]
