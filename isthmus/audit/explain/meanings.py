"""What each figure of a report is, in one sentence. Keys are paths of report.json without their numbers.

A test walks every figure that a report can have and fails for one that is missing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_TOP: Final = {
    "format": "The version of report.json and of the bundle.",
    "product": "The program and version that reckoned the report.",
    "org": "What the operator calls the org.",
    "host": "The org's address, to which the audit was connected.",
    "taken_at": "The instant that everything is judged at, by the org's own clock (UTC).",
    "today": "The day of the audit in the time zone: notice, terms, exemptions and snoozes are counted from it.",
    "time_zone": "The zone whose day that is: by your settings, the schedule of the org's audits, or UTC.",
    "threshold_days": "The days without a login after which a person counts as inactive, as set.",
    "effective_threshold_days": "The days that were used: the threshold, or the whole login history if it is shorter.",
    "history_start": "The first login that the org still shows (UTC), or the beginning of what was read.",
    "history_days": "Whole days of login history before the audit.",
    "pseudonymous": "Whether names were replaced by keyed hashes before anything was judged.",
    "seats_purchased": "Seats of all paid user licences that are in force, free allowances of these licences included.",
    "seats_assigned": "Seats of paid user licences held by active users, as Salesforce counts them.",
    "seats_active": "Holders of paid seats with a login of their own in the last 90 days: an estimate, no proof.",
    "seats_unused": "Paid seats found never used, dormant or inactive (R06, R07, R08) with grade A, B or C.",
    "seats_unused_a": "Unused paid seats of grade A: it follows from Salesforce's own fields.",
    "seats_unused_b": "Unused paid seats of grade B: a strong inference with one benign explanation left.",
    "seats_unused_c": "Unused paid seats of grade C: a signal to ask about.",
    "seats_other": "Assigned seats neither active nor unused: new starters, software, people just below the threshold.",
    "users": "All users of the org, active or not.",
    "users_active": "Users who may log in.",
    "withheld[]": "Something that is not printed, and why: the words of a failed gate.",
    "assumptions[]": "Something that the figures assume.",
    "blind_spots[]": "Something that the five objects cannot show.",
    "money_withheld": "Whether a failed gate keeps all money back.",
    "unpriced_seats": "Seats and grants that were found, but have no known price: listed, not counted as money.",
    "deadline": "The next day on which notice is due, of all lines of the contract (the last one if all have passed).",
    "api_calls": "API calls that the audit made.",
    "login_rows": "Rows of LoginHistory that the groups read add up to.",
    "calls_estimated": "API calls that were estimated before the logins were read.",
    "interruptions": "How often the reading broke off and went on from what was kept of it, at the same instant.",
}

_MONEY: Final = {
    "currency": "The currency of these totals; currencies are never added up.",
    "basis": "Whether list prices, your own prices or both lie behind these totals.",
    "reclaim_now": "A year's cost of assigned seats that can be used again before buying more. No cash flows.",
    "reclaim_seats": "How many seats and grants that is, each counted once and never more than the pool has.",
    "reclaim_split.a": "The part of it with grade A.",
    "reclaim_split.b": "The part of it with grade B.",
    "reclaim_split.c": "The part of it with grade C: none, for these are at risk.",
    "cash_at_renewal": "A year's cost of seats that need not be renewed: bought less the base case of readiness.",
    "renewal_seats": "How many seats and grants that is.",
    "renewal_split.a": "The part of it that rests on grade A and on seats that nobody holds.",
    "renewal_split.b": "The part of it that rests on grade B.",
    "renewal_split.c": "The part of it that rests on grade C: none, for these are at risk.",
    "at_risk": "A year's cost of seats of grade C: ask before you count on it.",
    "risk_seats": "How many seats and grants that is.",
    "break_even_uplift_percent": "The rise of the unit price that would cancel the cash saved at the renewal.",
    "annual_cost": "What all licences with a price in this currency cost a year today.",
}

_LICENSES: Final = {
    "id": "The licence's record id.",
    "key": "Its LicenseDefinitionKey.",
    "name": "Its label in Setup.",
    "category": "How it is paid for, by the product's table of keys and names; unknown ones are unclassified.",
    "status": "Whether Salesforce calls it Active or Disabled.",
    "purchased": "Seats provisioned (TotalLicenses): what the org has, free ones included, not what the contract says.",
    "assigned": "Seats used (UsedLicenses), as Salesforce counts active users.",
    "active_30": "Holders with a login of their own in the last 30 days.",
    "active_60": "Holders with a login of their own in the last 60 days.",
    "active_90": "Holders with a login of their own in the last 90 days.",
    "machines_90": "Holders for whom only software logged in during the last 90 days.",
    "unused": "Seats found by R06, R07 or R08 with grade A, B or C.",
    "unused_a": "Those of grade A.",
    "unused_b": "Those of grade B.",
    "unused_c": "Those of grade C.",
    "unit_price": "What a seat costs a month.",
    "currency": "The currency of its price.",
    "price_basis": "Where the price comes from: yours, list, or none.",
    "reclaim_monthly": "A month's cost of its assigned seats that can be used again.",
    "renewal_seats": "How many fewer seats need to be renewed.",
    "renewal_monthly": "A month's cost of these.",
    "risk_monthly": "A month's cost of its seats of grade C.",
}

_PSLS: Final = {
    "id": "The permission set licence's record id.",
    "key": "Its PermissionSetLicenseKey.",
    "name": "Its label in Setup.",
    "status": "Whether Salesforce calls it Active or Disabled.",
    "purchased": "Seats provisioned (TotalLicenses).",
    "used": "Seats used (UsedLicenses).",
    "assignments": "Its grants, whoever holds them.",
    "assignments_active": "Its grants to active users.",
    "convention": "Whether its used seats count all holders or active ones, as far as the numbers tell (R02).",
    "expires_on": "The day on which it expires.",
    "held_by_deactivated": "Grants whose holder was deactivated (R10).",
    "never_used": "Grants whose holder has not logged in since they were made (R11).",
    "unit_price": "What a seat costs a month.",
    "currency": "The currency of its price.",
    "price_basis": "Where the price comes from: yours, list, or none.",
    "reclaim_monthly": "A month's cost of the grants that can be taken back.",
    "risk_monthly": "A month's cost of the grants of grade C.",
    "renewal_seats": "How many fewer need to be renewed.",
    "renewal_monthly": "A month's cost of these.",
}

_FINDINGS: Final = {
    "ordinal": "The finding's number in all documents.",
    "rule": "The rule that found it.",
    "title": "What the rule is called.",
    "subject_kind": "What it is about: a user, a grant, or a pool.",
    "subject_id": "The record id of what it is about.",
    "subject": "The name of the user or the pool.",
    "detail": "The user name, or the pool's key.",
    "email": "The user's e-mail address.",
    "department": "The user's department.",
    "pool": "The record id of the licence concerned.",
    "pool_name": "The licence concerned.",
    "severity": "How much it matters if it is true.",
    "grade": "How sure it is: A to D. Each trap that applies lowers it by one.",
    "why": "Why the rule found it.",
    "remedy": "What to do about it.",
    "traps[]": "A benign explanation that applies; it lowered the grade.",
    "facts[].label": "What the fact is.",
    "facts[].value": "A fact that the rule went by.",
    "quantity": "How many seats it is about.",
    "valued": "Whether its seat counts in the totals: each seat counts once, by the surest finding.",
    "saving_monthly": "What its seats cost a month, less what is needed instead.",
    "currency": "The currency of the saving.",
    "created_at": "When the user was created.",
    "last_login_at": "The user's last login, in person or by software: the later of LastLoginDate and the history.",
    "granted_at": "When the permission set licence was granted.",
    "exempt": "Whether your file excuses the person (leave, seasonal work, service account): listed, but no money.",
    "snoozed_until": "The last day on which the finding is put off: listed, but no money until then.",
    "snooze_reason": "Why it is put off.",
    "manager": "The user's manager, whom to ask, and whether that one is deactivated; empty if the user has none.",
}

_GATES: Final = {
    "rule": "The gate.",
    "title": "What the gate is called.",
    "verdict": "Whether the data pass; a failed gate withholds figures.",
    "says": "What it says about the data.",
    "remedy": "What to do about it.",
    "withholds[]": "What is not printed if it fails.",
    "facts[].label": "What the fact is.",
    "facts[].value": "A fact that the gate went by.",
}

_RULES: Final = {
    "id": "The rule.",
    "title": "What it is called.",
    "saves": "What acting on it saves.",
    "doc": "How it decides.",
    "findings": "How many findings it has; none where a gate kept it from running.",
}

_SENSITIVITY: Final = {
    "days": "Another threshold.",
    "seats": "Paid seats without any login for so many days, exempt and new people left out.",
    "annual": "What these seats cost a year, at the same prices.",
    "currency": "The currency of that.",
}

_WEEKS: Final = {
    "start": "The Monday of the week (UTC).",
    "people": "Holders of paid seats with a login of their own in that week.",
    "machines": "Holders of paid seats for whom only software logged in.",
    "assigned": "Assigned paid seats by the last audit of that week; unknown before the first one kept.",
    "purchased": "Purchased paid seats by the last audit of that week; unknown before the first one kept.",
}

_LICENSE_WEEKS: Final = {
    "start": "The Monday of the week (UTC).",
    "pool": "The licence's record id.",
    "product": "The licence.",
    "people": "Users of the licence, deactivated since or not, with a login of their own in that week.",
    "machines": "Users of the licence for whom only software logged in.",
    "assigned": "Its assigned seats by the last audit of that week.",
    "purchased": "Its purchased seats by the last audit of that week.",
}

_PRICES: Final = {
    "pool": "The record id of the licence.",
    "product": "What the price is for.",
    "price": "The price a month; none: listed, not valued.",
    "currency": "The currency of the price.",
    "basis": "Yours, list, or unpriced.",
    "source": "Where the price was found, or why there is none.",
    "confidence": "How sure that source is.",
    "effective_from": "The day since which it is in force.",
    "note": "What to bear in mind.",
}

_CONTRACT: Final = {
    "pool": "The record id of the licence.",
    "product": "The product of the contract's line.",
    "contracted": "Seats under contract by this line.",
    "provisioned": "Seats that the org has.",
    "drift": "What the org has beyond all lines of this licence that are in force: free seats, or a mistake.",
    "unit_price": "The contract's price a month.",
    "currency": "The currency of that price.",
    "start": "The first day of the term.",
    "end": "The last day of the term.",
    "notice_deadline": "The last day to give notice: the end less the days of notice.",
    "days_left": "Days from today to that; negative once it has passed.",
    "minimum": "The least quantity that the contract allows.",
    "source": "The document that says so.",
    "notice_days": "How many days before the end notice is due.",
    "auto_renew": "Whether the term renews by itself.",
    "uplift_cap": "The most by which the price may rise at the renewal, in percent.",
    "followed": "Whether another line begins when it ends (a ramp, or a signed renewal): then no notice is due for it.",
    "renews": "Whether its end decides which of today's seats can be given back.",
    "in_force": "Whether the line counts on the day of the audit; lines of other terms are listed only.",
}

_REQUESTS: Final = {
    "name": "What the request is called.",
    "text": "The request as it was sent; holes in braces were instants.",
    "times": "How often it was sent.",
    "rows": "How many rows came back.",
}

_READINESS: Final = {
    "pool": "The record id of the licence.",
    "product": "The licence.",
    "weeks": "Weeks of history whose seats and findings are known.",
    "bought": "Seats bought: by the contract, else what the org has.",
    "assigned": "Seats assigned today.",
    "minimum": "The contract's least quantity.",
    "hires": "Seats promised to people who are still to come, as you set them: part of all required seats.",
    "spot": "Seats required by today's value: assigned less A and B, with headroom.",
    "conservative": "Seats required by the maximum week, less grade A, with headroom.",
    "base": "Seats required by the 95th percentile of the weeks, less A and B, or by the forecast, with headroom.",
    "base_before": "The seats of the base case before headroom and promised hires.",
    "base_by": "What asks for most of them (today, weeks, forecast), or minimum where the contract asks for more.",
    "aggressive": "Seats required by the median week, less A, B and C, with headroom.",
    "fewer_base": "How many fewer to renew of those that the org has, by the base case, else by today's value.",
    "break_even_percent": "The rise of the unit price that would cancel it.",
    "note": "Why a case is withheld.",
    "forecast_note": "Why there is no forecast.",
    "forecast": "The forecast of seats; none unless it beat today's value over the past weeks.",
    "forecast.weeks_ahead": "How many weeks ahead: to the end of the term, half a year at most.",
    "forecast.expected": "Seats expected then.",
    "forecast.low": "The lower end of the span.",
    "forecast.high": "The upper end of the span.",
    "forecast.level_percent": "How often the span should hold.",
    "forecast.origins": "From how many past weeks it was tried out.",
    "forecast.error": "How far it was off on average, in seats.",
    "forecast.error_as_today": "How far today's value would have been off on average.",
    "forecast.covered_percent": "How often the span of the other weeks held.",
}

_SCENARIOS: Final = {
    "pool": "The record id of the licence.",
    "product": "The licence.",
    "case": "Which quantity.",
    "quantity": "How many seats.",
    "price_case": "Which price.",
    "unit_price": "The price of a seat a month.",
    "currency": "Its currency.",
    "years": "The term.",
    "annual": "Quantity, price and twelve months.",
    "term": "The same over the term.",
    "difference": "A year of it less a year at today's quantity and price.",
    "break_even_percent": "The rise of the unit price that would cancel renewing this quantity instead of today's.",
}

_PLAN: Final = {
    "day": "The day of the step, counted back from the end of the term or of the notice.",
    "what": "What to do.",
    "product": "For which product.",
    "days_left": "Days from today to that; negative once it has passed.",
}

_MOVES: Final = {
    "source": "The record id of the licence now.",
    "source_name": "The licence now.",
    "target": "The licence then: its record id or its name.",
    "target_name": "The licence then.",
    "how": "What the move takes: Salesforce does not allow every change in place.",
    "people": "People who could do with it (R09, R19).",
    "moved": "How many of them to move for the least cost.",
    "free": "Seats of the other licence that cost nothing.",
    "saves_monthly": "What a seat beyond the free ones saves a month.",
    "currency": "The currency of that.",
}

_MOVE_LIMITS: Final = {
    "pool": "The licence that the limit is of.",
    "kind": "A free allowance or a contract minimum.",
    "what": "The limit in words.",
    "annual": "What it costs a year: the least cost with it, less the least cost without it.",
    "currency": "The currency of that.",
}

_METERS: Final = {
    "pool": "The record id of the licence, which is paid by the login.",
    "product": "The licence's label in the org.",
    "entitled": "Logins that are bought for each month.",
    "used": "Logins of this month so far, as Salesforce counts them.",
    "passed_percent": "How much of the month has passed.",
    "projected": "Logins of the whole month, if it goes on as it began.",
    "needed": "Logins that a month like those visible needs, at most (95 %). Busier months before them are not known.",
    "unneeded": "Logins that are bought each month and not needed.",
    "price": "What a login costs, by your own price.",
    "currency": "The currency of that.",
    "saving_monthly": "What the logins cost that are bought and not needed: saved at the renewal only, in no total.",
    "break_even_logins": "From so many logins of a person a month on a member's licence is cheaper.",
}

_COHORTS: Final = {
    "day": "A day on which many seats were created.",
    "pool": "The record id of their licence.",
    "product": "Their licence.",
    "seats": "Seats created on that day that are still held.",
    "never_used": "Those of them whose holders never logged in.",
}

_COHORT_MONTHS: Final = {
    "start": "The first day of a month in which users of paid licences were created.",
    "created": "Users created in that month, whatever became of them.",
    "deactivated": "Those of them who are deactivated.",
    "never_used": "Those who are active and never logged in.",
    "last_30": "Those who are active and were last there within 30 days.",
    "last_90": "Those who are active and were last there 31 to 90 days ago.",
    "longer": "Those who are active and were last there longer ago.",
    "followed": "Those created 30 days ago or earlier; none where the login history does not cover the whole month.",
    "came_in_30": "Those of them who first logged in within 30 days of their creation.",
}

_LISTS: Final = {
    "money": _MONEY,
    "licenses": _LICENSES,
    "psls": _PSLS,
    "findings": _FINDINGS,
    "gates": _GATES,
    "rules": _RULES,
    "sensitivity": _SENSITIVITY,
    "weeks": _WEEKS,
    "license_weeks": _LICENSE_WEEKS,
    "prices": _PRICES,
    "contract": _CONTRACT,
    "requests": _REQUESTS,
    "readiness": _READINESS,
    "scenarios": _SCENARIOS,
    "plan": _PLAN,
    "moves": _MOVES,
    "move_limits": _MOVE_LIMITS,
    "meters": _METERS,
    "cohorts": _COHORTS,
    "cohort_months": _COHORT_MONTHS,
}

MEANINGS: Final[Mapping[str, str]] = MappingProxyType(
    _TOP | {f"{name}[].{field}": text for name, fields in _LISTS.items() for field, text in fields.items()}
)
