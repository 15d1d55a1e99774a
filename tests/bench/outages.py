"""What an own PostgreSQL can do to a product at work: away for minutes, cut off, restarted hard, without a connection.

    python -m tests.bench.outages --url postgresql://owner:password@127.0.0.1:5432/isthmus --stop 'pg_ctl … stop' \
        --start 'pg_ctl … start' --restart 'pg_ctl … restart -m immediate' --superuser postgresql://… [--away 180]

The server is yours, with an empty database; the commands are given to a shell. In each scene an audit and a sync run
are under way while it happens. Judged: portal and commands say what is the matter (503, page and JSON; status 2 with a
remedy), everything ends by itself afterwards, no process of ours was given up, the target equals the source, and no
row was written twice with different values.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg

from isthmus.demo.browser import Browser, PageUnexpected
from isthmus.demo.processes import EmulatedOrg
from orgsim.compare import compare
from tests.bench.product_kills import FIELDS, LOOKUPS, SOURCE, UNDER_WAY, Stage, stage

WAIT_S: Final = 900.0
CUTS: Final = 40


@dataclass(frozen=True)
class Server:
    """The operator's server, as its operator handles it."""

    stop_command: str
    start_command: str
    restart_command: str
    superuser: str

    def stop(self) -> None:
        subprocess.run(self.stop_command, shell=True, check=True, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        subprocess.run(self.start_command, shell=True, check=True, stdout=subprocess.DEVNULL)

    def restart(self) -> None:
        subprocess.run(self.restart_command, shell=True, check=True, stdout=subprocess.DEVNULL)

    def cut_off_one(self, rng: random.Random) -> str | None:
        """End a connection of ours at random; returns whose it was."""
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            found = connection.execute(
                "select pid, usename from pg_stat_activity where usename like 'isthmus_%'"
            ).fetchall()
            if not found:
                return None
            pid, name = rng.choice(found)
            connection.execute("select pg_terminate_backend(%s)", (pid,))
            return str(name)

    @contextmanager
    def full(self) -> Generator[Callable[[], int]]:
        """Take every connection; the function ends those of ours and takes their places too, and says how many."""
        with contextlib.ExitStack() as stack:
            master = stack.enter_context(psycopg.connect(self.superuser, autocommit=True))

            def take() -> int:
                master.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename like 'isthmus_%'")
                taken = 0
                with contextlib.suppress(psycopg.OperationalError):
                    while True:
                        stack.enter_context(contextlib.closing(psycopg.connect(self.superuser)))
                        taken += 1
                return taken

            yield take


@dataclass
class Seen:
    """What was seen of the product meanwhile."""

    statuses: dict[str, dict[int | str, int]] = field(default_factory=dict)
    slowest_s: float = 0.0
    said: set[str] = field(default_factory=set)

    def count(self, what: str, status: int | str, took_s: float) -> None:
        told = self.statuses.setdefault(what, {})
        told[status] = told.get(status, 0) + 1
        self.slowest_s = max(self.slowest_s, took_s)


def look(at: Stage, seen: Seen, audit: str) -> None:
    """Ask the portal for a page and for JSON, and a command, as people do meanwhile."""
    browser: Browser = at.portal._browser
    for what, path in (
        ("page", "/syncs"),
        ("json", f"/api/v1/audits/{audit}"),
        ("sign-in", "/sign-in/x"),
        ("healthz", "/healthz"),
    ):
        began = time.monotonic()
        try:
            page = browser.get(at.product.url + path)
            status: int | str = page.status
            if page.status == 503:
                seen.said.add(page.text[:600] if what == "json" else f"{what}: {_heading(page.text)}")
            if "Traceback" in page.text:
                seen.said.add(f"TRACE on {path}")
        except OSError as error:
            status = type(error).__name__
        seen.count(what, status, time.monotonic() - began)
    began = time.monotonic()
    done = at.product.command("sync", "list", "--json")
    seen.count("command", done.returncode, time.monotonic() - began)
    if done.returncode:
        seen.said.add(f"command: {done.stdout.strip()}")


def _heading(text: str) -> str:
    return text.partition("<h1")[2].partition("</h1>")[0].rpartition(">")[2].strip()


def begin(at: Stage, audit_connection: str) -> str:
    """Empty the target and begin a run that reads everything, and an audit; returns the audit's id."""
    for name in FIELDS:
        at.target.control("DELETE", f"/rows/{name}")
    at.target.control("DELETE", "/rewrites")
    at.act("activate")
    audit = str(at.asked(lambda: at.portal.post("/api/v1/audits", {"connection": audit_connection}))["audit"])
    _until(lambda: bool(at.runs()) and at.runs()[0]["state"] == "running", "a run does not begin")
    return audit


def judge(at: Stage, audit: str, rewrites: bool = True) -> str:
    """Wait until all has ended, and look whether it is right. Raises `AssertionError`."""
    _until(lambda: _settled(at, audit), "a run or the audit does not end")
    detail = at.asked(lambda: at.portal.get(f"/api/v1/audits/{audit}"))["audit"]
    while (runs := at.runs())[0]["state"] != "done" or runs[0]["rows_failed"]:
        assert len(runs) < 20, [(run["state"], run["rows_failed"]) for run in runs]
        at.reconnect()
        at.act("run")
        _until(lambda: _settled(at, audit), "a run does not end")
    for name, fields in FIELDS.items():
        ports = at.source.control_url, at.target.control_url
        found = compare(*ports, name, LOOKUPS[name], fields=frozenset(fields))
        assert found.equal, (name, found.missing, found.surplus, dict(found.differing))
    rewritten = at.target.control("GET", "/rewrites")
    assert not rewrites or not rewritten, rewritten
    return f"audit {detail['state']} {detail.get('problem') or ''}, runs {[run['state'] for run in runs]}, equal"


def _settled(at: Stage, audit: str) -> bool:
    if any(run["state"] in UNDER_WAY for run in at.runs()):
        return False
    return at.asked(lambda: at.portal.get(f"/api/v1/audits/{audit}"))["audit"]["state"] in {"done", "failed"}


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


def away(at: Stage, server: Server, audit: str, seen: Seen, seconds: float) -> None:
    server.stop()
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        look(at, seen, audit)
        time.sleep(2)
    server.start()


def cut(at: Stage, server: Server, audit: str, seen: Seen, seconds: float) -> None:
    del audit, seconds
    rng = random.Random(7)
    for _ in range(CUTS):
        name = server.cut_off_one(rng)
        seen.count("cut", name or "none", 0)
        time.sleep(rng.uniform(0.05, 0.8))
        if at.runs()[0]["state"] not in UNDER_WAY:
            break


def hard(at: Stage, server: Server, audit: str, seen: Seen, seconds: float) -> None:
    del seconds
    for _ in range(3):
        server.restart()
        look(at, seen, audit)
        time.sleep(2)


def full(at: Stage, server: Server, audit: str, seen: Seen, seconds: float) -> None:
    ends = time.monotonic() + min(seconds, 60)
    with server.full() as take:
        while time.monotonic() < ends:
            seen.count("taken", take(), 0)
            look(at, seen, audit)


SCENES: Final = {"away": away, "cut": cut, "hard": hard, "full": full}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("url", "stop", "start", "restart", "superuser"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--away", type=float, default=180.0)
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("scenes", nargs="*", default=list(SCENES))
    given = parser.parse_args()
    server = Server(given.stop, given.start, given.restart, given.superuser)
    wrong = 0
    with stage(given.rows, {"ISTHMUS_DATABASE_URL": given.url}) as at:
        org = at.source
        person = EmulatedOrg(SOURCE, org.instance_url, org.control_url, org.client_id, org.username, org.password)
        connection = at.portal.connect(person, "audit")
        for name in given.scenes:
            seen, began = Seen(), time.monotonic()
            try:
                audit = begin(at, connection)
                SCENES[name](at, server, audit, seen, given.away)
                back = time.monotonic()
                said = judge(at, audit)
                print(f"{name}: {said}; {time.monotonic() - back:.0f} s after it was over", flush=True)
            except (AssertionError, PageUnexpected) as error:
                wrong += 1
                print(f"{name}: WRONG: {error}", flush=True)
            print(f"   {time.monotonic() - began:.0f} s, answers {seen.statuses}, slowest {seen.slowest_s:.1f} s")
            for line in sorted(seen.said):
                print(f"   {line}")
            _logs(at.product.home)
    return int(bool(wrong))


def _logs(home: Path) -> None:
    for log in sorted((home / "h" / "log").glob("*.log")):
        lines: list[Any] = log.read_text(errors="replace").splitlines()
        plain = sorted({line for line in lines if not line.startswith("{")})
        print(f"   {log.name}: {len(lines)} lines; not JSON: {plain[-6:]}")
        faults = [json.loads(line) for line in lines if '"Unexpected"' in line]
        for text, times in Counter(f"{fault['errors']} {fault['frames'][-4:]}" for fault in faults).items():
            print(f"      {times} x {text}")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
