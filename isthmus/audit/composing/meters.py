"""The part of a report about licences that are paid by the login: used, needed, and what a login costs. Pure."""

from __future__ import annotations

from typing import Final

from isthmus.audit import money
from isthmus.audit.analysis import Analysis
from isthmus.audit.figures_more import MeterLine
from isthmus.audit.given.prices import NEGOTIATED, Price, named_price
from isthmus.audit.rules import r20_login_metered

LOGIN_ENDING: Final = " login"


def meter_lines(analysis: Analysis) -> tuple[MeterLine, ...]:
    """Return the login-based licences; amounts only at the customer's own prices, and none where money is withheld."""
    return tuple(_line(analysis, month) for month in r20_login_metered.months(analysis.view))


def _line(analysis: Analysis, month: r20_login_metered.Month) -> MeterLine:
    row = month.row
    login, member = analysis.prices.get(row.id), _member_price(analysis, row.name)
    if analysis.money_withheld or login is None or login.basis != NEGOTIATED or login.amount is None:
        login = None
    saving = login.amount * month.unneeded if login and login.amount and month.unneeded is not None else None
    same = login is not None and member is not None and login.currency == member.currency
    return MeterLine(
        pool=row.id,
        product=row.label,
        entitled=month.entitled,
        used=month.used,
        passed_percent=month.passed_percent,
        projected=month.projected,
        needed=month.needed,
        unneeded=month.unneeded,
        price=login.amount if login else None,
        currency=login.currency if login else None,
        saving_monthly=money.to_cent(saving),
        break_even_logins=r20_login_metered.break_even(member.amount, login.amount)
        if same and member and member.amount is not None and login and login.amount
        else None,
    )


def _member_price(analysis: Analysis, name: str) -> Price | None:
    """Return the price of the licence of the same name that is paid by the member."""
    member = name.strip().casefold().removesuffix(LOGIN_ENDING)
    if member == name.strip().casefold():
        return None
    own = named_price(member, analysis.basis.prices.own)
    if own is not None:
        return own
    rows = [row for row in analysis.view.snapshot.licenses if row.name.strip().casefold() == member]
    return analysis.prices[rows[0].id] if rows else None
