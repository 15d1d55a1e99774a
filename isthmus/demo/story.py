"""What the demo does, step by step, through the pages and the JSON API that any user has."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from isthmus.demo.browser import Browser, PageUnexpected
from isthmus.demo.processes import EmulatedOrg

POLL_S: Final = 0.25
WAIT_S: Final = 300.0
CHANGED_ROWS: Final = 25
SYNC_NAME: Final = "Accounts, contacts, opportunities"
DEFINITION: Final = f"""\
version: 1
name: {SYNC_NAME}
steps:
  - object: Account
  - object: Contact
  - object: Opportunity
"""
COMPARED: Final = (
    "Account:ParentId=Account",
    "Contact:AccountId=Account,ReportsToId=Contact",
    "Opportunity:AccountId=Account",
)
DOCUMENTS: Final = ("report.pdf", "report.xlsx", "findings.csv", "report.json", "bundle.zip")


class StoryFailed(Exception):
    """A step did not come out as it must; the message says which and what was seen."""


@dataclass(frozen=True, slots=True)
class AuditTold:
    """What the audit found, and where its documents lie."""

    report: Mapping[str, Any]
    folder: Path
    seconds: float


@dataclass(frozen=True, slots=True)
class RunTold:
    """What a run did."""

    rows_written: int
    calls_source: int
    calls_target: int
    seconds: float


class Portal:
    """The portal as a signed-in user's browser sees it."""

    def __init__(self, url: str, sign_in_url: str) -> None:
        """Sign in by the one-time link."""
        self._url = url
        self._browser = Browser()
        page = self._browser.get(sign_in_url)
        self._browser.submit(page, page.form("/sign-in/"), {})
        self._csrf = str(self.get("/api/v1/session")["csrf"])

    def get(self, path: str) -> Any:
        """Return a JSON answer."""
        return self._browser.call("GET", self._url + path)

    def post(self, path: str, body: object = None) -> Any:
        """Send JSON and return the answer."""
        return self._browser.call("POST", self._url + path, body or {}, {"X-CSRF-Token": self._csrf})

    def download(self, path: str) -> bytes:
        """Return a document's bytes."""
        page = self._browser.get(self._url + path)
        if page.status != 200:  # noqa: PLR2004 -- HTTP's own number
            message = f"{path} answered {page.status}"
            raise StoryFailed(message)
        return page.body

    def connect(self, org: EmulatedOrg, purpose: str) -> str:
        """Connect an org through its login and consent pages; return the connection's id."""
        browser = self._browser
        form_page = browser.get(f"{self._url}/orgs/connect")
        wanted = {
            "purpose": purpose,
            "environment": "emulator",
            "address": org.instance_url,
            "alias": org.name,
            "client_id": org.client_id,
        }
        ready = browser.submit(form_page, form_page.form("/orgs/connect"), wanted)
        page = browser.get(ready.link("authorize"))
        # Whoever is logged in already, or has consented before, is sent on without the page for it.
        for values in ({"username": org.username, "pw": org.password, "action": "login"}, {"action": "allow"}):
            if page.url.startswith(org.instance_url):
                page = browser.submit(page, page.form(""), values)
        for entry in self.get("/api/v1/orgs")["orgs"]:
            for connection in entry["connections"]:
                if (connection["alias"], connection["purpose"], connection["state"]) == (org.name, purpose, "active"):
                    return str(connection["id"])
        message = f"{org.name} is not connected for {purpose}; the last page was {page.url.partition('?')[0]}"
        raise StoryFailed(message)

    def until(self, path: str, done: Callable[[Any], bool], what: str) -> Any:
        """Ask for `path` until `done` says so; raise `StoryFailed` when it takes too long."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            answer = self.get(path)
            if done(answer):
                return answer
            time.sleep(POLL_S)
        message = f"{what} did not end within {WAIT_S:.0f} s"
        raise StoryFailed(message)


def audit(portal: Portal, connection: str, folder: Path) -> AuditTold:
    """Audit an org and fetch every document."""
    began = time.monotonic()
    audit_id = portal.post("/api/v1/audits", {"connection": connection})["audit"]
    path = f"/api/v1/audits/{audit_id}"
    detail = portal.until(path, lambda d: d["audit"]["state"] in {"done", "failed"}, "the audit")
    if detail["audit"]["state"] != "done":
        message = f"the audit failed: {detail['audit']['problem']}"
        raise StoryFailed(message)
    seconds = time.monotonic() - began
    folder.mkdir(parents=True, exist_ok=True)
    for name in DOCUMENTS:
        (folder / name).write_bytes(portal.download(f"/audits/{audit_id}/documents/{name}"))
    return AuditTold(detail["report"], folder, seconds)


def make_sync(portal: Portal, source: str, target: str) -> str:
    """Save the sync, see its plan, activate it; return its id."""
    body = {"source": source, "target": target, "definition": DEFINITION}
    sync = str(portal.post("/api/v1/syncs", body)["sync"])
    plan = portal.until(f"/api/v1/syncs/{sync}/plan", lambda p: not p["pending"], "reading the objects of the orgs")
    if plan["plan"] is None:
        message = f"the plan was refused: {json.dumps(plan['issues'])[:500]}"
        raise StoryFailed(message)
    portal.post(f"/api/v1/syncs/{sync}/activate")
    settled = portal.until(f"/api/v1/syncs/{sync}", lambda s: s["sync"]["state"] != "activating", "activating the sync")
    if settled["sync"]["state"] != "active":
        message = f"the sync could not be activated: {settled['sync']['pause_reason']}"
        raise StoryFailed(message)
    return sync


def run_sync(portal: Portal, sync: str) -> RunTold:
    """Run the sync now and wait for its end."""
    return _ended(portal, portal.post(f"/api/v1/syncs/{sync}/run")["run"])


def first_run(portal: Portal, sync: str) -> RunTold:
    """Wait for the run that the schedule starts by itself after activation."""
    view = portal.until(f"/api/v1/syncs/{sync}", lambda s: bool(s["runs"]), "the first run")
    return _ended(portal, view["runs"][-1]["id"])


def _ended(portal: Portal, run: str) -> RunTold:
    """Wait for the end of a run; its seconds are from its start to its end, without its wait for the schedule."""
    detail = portal.until(f"/api/v1/runs/{run}", lambda d: d["run"]["ended_at"] is not None, "the run")
    told = detail["run"]
    if told["state"] != "done":
        failures = [f"{o['rows']} x {o['code']} in {o['step_title']}" for o in detail["outcomes"]]
        message = f"the run ended {told['state']}: {detail['message']} {'; '.join(failures)}"
        raise StoryFailed(message)
    lasted = datetime.fromisoformat(told["ended_at"]) - datetime.fromisoformat(told["started_at"])
    return RunTold(told["rows_written"], told["calls_source"], told["calls_target"], lasted.total_seconds())


def change_rows(org: EmulatedOrg) -> int:
    """Change rows in the source as its users would, behind the sync's back; return how many."""
    browser = Browser()
    accounts = _rows(browser, org, "Account")[:CHANGED_ROWS]
    for number, row in enumerate(accounts):
        change = {"Description": f"Changed after the first run, no. {number}:\n“çà” 変更 🙂", "Phone": None}
        browser.call("PATCH", f"{org.control_url}/rows/Account/{row['Id']}", change)
    contact = {"LastName": "Neu", "FirstName": "Zoë", "AccountId": accounts[0]["Id"], "Email": "zoe.neu@example.com"}
    browser.call("POST", f"{org.control_url}/rows/Contact", [contact])
    return len(accounts) + 1


def _rows(browser: Browser, org: EmulatedOrg, name: str) -> list[dict[str, Any]]:
    rows = browser.call("GET", f"{org.control_url}/rows/{name}")
    if not isinstance(rows, list):
        message = f"{org.name} gave no rows of {name}"
        raise PageUnexpected(message)
    return rows  # pyright: ignore[reportUnknownVariableType] -- JSON of our own emulator


def equal(source: EmulatedOrg, target: EmulatedOrg) -> tuple[bool, str]:
    """Ask a program that knows nothing of Isthmus whether the target equals the mapped source; return what it says."""
    command = [sys.executable, "-m", "orgsim.compare", source.control_url, target.control_url, *COMPARED]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
    return answer.returncode == 0, (answer.stdout + answer.stderr).strip()
