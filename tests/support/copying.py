"""Copying between two orgsim processes with the real engine and the real mover, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isthmus.clock import SystemClock
from isthmus.config import Settings, read_settings
from isthmus.egress.hosts import HostDenied, parse_login_host
from isthmus.sync.copy import CopyOrg, CopyResult, OnProgress, copy_once
from isthmus.sync.spec import parse_spec
from isthmus.values import Secret
from orgsim.compare import compare
from tests.support.orgsim import Orgsim, start_orgsim

THREE_OBJECTS = "version: 1\nname: three\nsteps: [{object: Account}, {object: Contact}, {object: Opportunity}]\n"
LOOKUPS = {
    "Account": {"ParentId": "Account"},
    "Contact": {"AccountId": "Account", "ReportsToId": "Contact"},
    "Opportunity": {"AccountId": "Account"},
}
NASTY = (
    'quote " and "" twice',
    "comma, semicolon; tab\tend",
    "line\nfeed",
    "carriage\r\nreturn",
    "lone\rreturn",
    "Zażółć gęślą jaźń 𝄞 漢字",
    "separators \u2028 \u2029 \x85",
    "#N/A",
    "N/A",
    "null",
    "=1+1",
    "'apostrophe' \\ backslash",
    "x" * 31_990,
)


def sync_settings(home: Path) -> Settings:
    """Settings that admit orgsim's loopback addresses."""
    return read_settings({"ISTHMUS_ALLOW_LOOPBACK_HTTP": "1", "HOME": str(home)})


def copy_org(org: Orgsim, token: str | None = None) -> CopyOrg:
    """One side of a copy."""
    host = parse_login_host(org.instance_url, allow_loopback_http=True)
    assert not isinstance(host, HostDenied)
    return CopyOrg(host, Secret(token or org.access_token))


@dataclass(frozen=True)
class Pair:
    """A source and a target org."""

    source: Orgsim
    target: Orgsim
    settings: Settings

    async def copy(
        self,
        text: str = THREE_OBJECTS,
        *,
        bulk_rows_min: int | None = None,
        dry_run: bool = False,
        on_progress: OnProgress | None = None,
        source_token: str | None = None,
        mask_key: Secret | None = None,
    ) -> CopyResult:
        """Copy with the real mover."""
        return await copy_once(
            parse_spec(text),
            copy_org(self.source, source_token),
            copy_org(self.target),
            settings=self.settings,
            clock=SystemClock(),
            dry_run=dry_run,
            bulk_rows_min=bulk_rows_min,
            on_progress=on_progress,
            mask_key=mask_key,
        )

    def assert_equal(self, *names: str, surplus: int = 0) -> None:
        """Compare field by field through the control ports, by a program that knows nothing of isthmus."""
        for name in names or tuple(LOOKUPS):
            found = compare(self.source.control_url, self.target.control_url, name, LOOKUPS.get(name, {}))
            assert not found.differing, f"{name}: {found.differing}"
            assert found.missing == 0, f"{name}: {found.missing} missing"
            assert found.surplus == surplus, f"{name}: {found.surplus} surplus"

    def target_by_source(self, name: str) -> dict[str, dict[str, Any]]:
        """The target's rows by the source id that they carry."""
        return {row["SwiftPort_Source_Id__c"]: row for row in self.target.rows(name)}

    def fill(self, rows: int = 12) -> dict[str, list[str]]:
        """Put accounts with nasty values, parents, contacts and opportunities into the source."""
        accounts = [
            {
                "Name": f"Account {n} {NASTY[n % 8][:200]}",
                "Description": NASTY[n % len(NASTY)],
                "AnnualRevenue": n * 1.25,
            }
            for n in range(rows)
        ]
        account_ids = self.source.add_rows("Account", accounts)
        for n in range(1, rows, 3):
            self.source.control("PATCH", f"/rows/Account/{account_ids[n]}", {"ParentId": account_ids[n - 1]})
        contacts = [
            {
                "LastName": f"Person {n}",
                "FirstName": ["Zoë", None, "Ng'"][n % 3],
                "AccountId": account_ids[n % rows] if n % 4 else None,
                "Email": f"p{n}@example.com" if n % 2 else None,
                "Birthdate": "1980-02-29" if n % 3 else None,
                "Description": NASTY[(n + 3) % len(NASTY)],
            }
            for n in range(rows * 2)
        ]
        contact_ids = self.source.add_rows("Contact", contacts)
        self.source.control("PATCH", f"/rows/Contact/{contact_ids[1]}", {"ReportsToId": contact_ids[2]})
        opportunities = [
            {
                "Name": f"Deal {n}",
                "StageName": "Prospecting",
                "CloseDate": "2026-03-01",
                "Amount": n * 1000.5 if n % 2 else None,
                "AccountId": account_ids[n % rows] if n % 3 else None,
            }
            for n in range(rows)
        ]
        opportunity_ids = self.source.add_rows("Opportunity", opportunities)
        return {"Account": account_ids, "Contact": contact_ids, "Opportunity": opportunity_ids}


@contextmanager
def two_orgs(home: Path, *, source_profile: str = "empty") -> Iterator[Pair]:
    """Start a source and a target."""
    with start_orgsim(name="source", profile=source_profile) as source, start_orgsim(name="target", seed=2) as target:
        yield Pair(source, target, sync_settings(home))
