"""A what-if question gets the figures that a whole audit with these settings would print."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.audit.analysis import Basis, analyse
from isthmus.audit.compose import compose
from isthmus.audit.exemptions import Exemption, ExemptionKind, resolve
from isthmus.audit.options import LicenseThresholds, Thresholds
from isthmus.audit.pricebook import price_book
from isthmus.audit.prices import CustomerPrice
from isthmus.audit.snapshot import Snapshot
from isthmus.audit.what_if import WhatIf, WhatIfFigures, WhatIfTable
from tests.bench.audit_population import populate
from tests.unit.audit.world import example

days = st.integers(14, 250)
shares = st.decimals(0, 1, places=2)
keys = st.sampled_from(["SFDC", "AUL", "Salesforce", "PID_Nobody"])
amounts = st.none() | st.decimals(0, 500, places=2)


questions = st.builds(
    WhatIf,
    thresholds=st.builds(
        Thresholds,
        inactive_days=days,
        grace_days=st.integers(0, 120),
        headroom=shares,
        licenses=st.lists(
            st.builds(LicenseThresholds, license=keys, inactive_days=st.none() | days, headroom=st.none() | shares),
            max_size=2,
            unique_by=lambda item: item.license,
        ).map(tuple),
    ),
    prices=st.lists(
        st.builds(CustomerPrice, product=keys, amount=amounts, currency=st.sampled_from(["USD", "EUR"])),
        max_size=3,
        unique_by=lambda item: item.product,
    ).map(tuple),
)
KINDS = st.sampled_from(list(ExemptionKind))


def snapshots() -> list[Snapshot]:
    return [example().snapshot(), populate(5, 150).org.snapshot()]


@pytest.mark.parametrize("snapshot", snapshots(), ids=["example", "population"])
def test_a_question_is_answered_as_the_whole_analysis_would(snapshot: Snapshot) -> None:
    table = WhatIfTable(snapshot, Basis(Thresholds(), price_book(()), ()))
    emails = st.sampled_from([user.email for user in snapshot.users] + ["nobody@acme.example"])

    @settings(max_examples=25, deadline=None, derandomize=True)
    @given(questions, st.dictionaries(emails, KINDS, max_size=6))
    def ask(what: WhatIf, exempt: dict[str, ExemptionKind]) -> None:
        what = msgspec.structs.replace(what, exemptions=tuple(Exemption(e, "away", k) for e, k in exempt.items()))
        full = Basis(what.thresholds, price_book(what.prices), (), resolve(what.exemptions, snapshot.users))
        report = compose(analyse(snapshot, full), "acme")
        figures = table.ask(what)
        for name in WhatIfFigures.__struct_fields__:
            assert getattr(figures, name) == getattr(report, name), name

    ask()


def test_settings_change_the_figures() -> None:
    table = WhatIfTable(example().snapshot(), Basis(Thresholds(), price_book(()), ()))
    usual, patient = table.ask(WhatIf()), table.ask(WhatIf(Thresholds(inactive_days=170)))
    ivan = table.ask(WhatIf(exemptions=(Exemption("ivan.inactive@acme.example", "away"),)))
    unused = [sum(line.unused or 0 for line in figures.licenses) for figures in (usual, patient, ivan)]
    assert unused[1] < unused[0] > unused[2]
    assert table.ask(WhatIf()) == usual
    dear = table.ask(WhatIf(prices=(CustomerPrice("SFDC", Decimal(1000), "USD", "quote"),)))
    assert dear.money[0].reclaim_now > usual.money[0].reclaim_now
