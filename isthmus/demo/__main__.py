"""`python -m isthmus.demo`: two simulated orgs, the whole product, both jobs; see `isthmus demo --help`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from isthmus.demo import story
from isthmus.demo.browser import PageUnexpected
from isthmus.demo.processes import DidNotStart, EmulatedOrg, Ended, Program, emulated_org, product

SOURCE: Final = "northwind"
TARGET: Final = "southwind"
SEED: Final = 20261122
LOOK_EVERY_S: Final = 1.0


def main() -> int:
    """Tell the whole story; 0 only if the target equals the mapped source and the report exists."""
    parser = argparse.ArgumentParser(prog="isthmus demo")
    parser.add_argument("--exit", action="store_true")
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--out", type=Path, default=Path("demo-output"))
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        with ExitStack() as stack:
            _tell(stack, options.port, options.out.absolute(), stay=not options.exit)
    except (story.StoryFailed, PageUnexpected, DidNotStart, Ended) as failure:
        print(f"\nThe demo stopped: {failure}", file=sys.stderr)
        return 2
    except OSError as failure:  # a full disk; a program of the demo that somebody ended
        print(f"\nThe demo stopped: {failure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped before it was done.", file=sys.stderr)
        return 2
    return 0


def _interrupted(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _tell(stack: ExitStack, port: int, out: Path, *, stay: bool) -> None:
    began = time.monotonic()
    home = stack.enter_context(_state_folder())
    logs = home / "demo-logs"
    logs.mkdir()
    callback = f"http://127.0.0.1:{port}/oauth/callback"
    environ = _environ(home, port)
    _step("Starting two simulated orgs and Isthmus")
    source = stack.enter_context(emulated_org(SOURCE, "demo", SEED, callback, logs / "source.log"))
    target = stack.enter_context(emulated_org(TARGET, "empty", SEED + 1, callback, logs / "target.log"))
    url, link, isthmus = stack.enter_context(product(environ, logs / "up.log"))
    _step("Connecting both through their login pages (OAuth with PKCE)")
    portal = story.Portal(url, link)
    audit_connection = portal.connect(source, "audit")
    source_connection, target_connection = portal.connect(source, "sync"), portal.connect(target, "sync")
    _step(f"Auditing the licences of {SOURCE}")
    audit = story.audit(portal, audit_connection, out / "audit")
    _step(f"Syncing Account, Contact, Opportunity from {SOURCE} to {TARGET}")
    sync = story.make_sync(portal, source_connection, target_connection)
    first = story.first_run(portal, sync)
    _must_be_equal(source, target)
    changed = story.change_rows(source)
    _step(f"Changing {changed} rows in {SOURCE}, and syncing again")
    delta = story.run_sync(portal, sync)
    compared = _must_be_equal(source, target)
    _summary(audit, first, delta, compared, time.monotonic() - began)
    if stay:
        _stay(url, environ, [found for found in (isthmus, source.program, target.program) if found])


def _must_be_equal(source: EmulatedOrg, target: EmulatedOrg) -> str:
    equal, said = story.equal(source, target)
    if not equal:
        message = f"the target does not equal the mapped source:\n{said}"
        raise story.StoryFailed(message)
    return said


def _summary(audit: story.AuditTold, first: story.RunTold, delta: story.RunTold, compared: str, seconds: float) -> None:
    report = audit.report
    print(f"\nDone in {seconds:.0f} s.\n")
    print(
        f"Audit   {report['seats_purchased']:,} paid seats, {report['seats_assigned']:,} assigned, "
        f"{report['seats_active']:,} active, {report['seats_unused']:,} unused "
        f"({len(report['findings'])} findings, {report['api_calls']} API calls, {audit.seconds:.1f} s)"
    )
    for money in report["money"]:
        reclaim, renewal = float(money["reclaim_now"]), float(money["cash_at_renewal"])
        basis = "at list price" if money["basis"] == "list" else money["basis"]
        print(
            f"        a year, {basis}: {reclaim:,.0f} {money['currency']} to reclaim now, "
            f"{renewal:,.0f} {money['currency']} at renewal"
        )
    print(f"        {audit.folder / 'report.pdf'}")
    print(
        f"Sync    {first.rows_written:,} rows written in {first.seconds:.1f} s "
        f"({first.calls_source} API calls in the source, {first.calls_target} in the target)"
    )
    print(
        f"Delta   {delta.rows_written:,} rows written in {delta.seconds:.1f} s "
        f"({delta.calls_source} and {delta.calls_target} API calls)"
    )
    for line in compared.splitlines():
        print(f"Check   {line}")


def _stay(url: str, environ: dict[str, str], programs: Sequence[Program]) -> None:
    """Print a fresh one-time sign-in link and wait for Ctrl-C. Raises `Ended` when a program ends before."""
    made = subprocess.run(
        [sys.executable, "-m", "isthmus.cli", "link", "--json"], env=environ, capture_output=True, check=True
    )
    print(f"\nThe portal is open at {url}. Sign in once with:\n  {json.loads(made.stdout)['sign_in_url']}")
    print("Ctrl-C stops everything; the reports stay.", flush=True)
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(LOOK_EVERY_S)
            for program in programs:
                program.must_run()
    print("\nStopped.")


@contextmanager
def _state_folder() -> Generator[Path]:
    """Yield a private folder for the demo's database and keys; it goes when the demo ends."""
    folder = Path(tempfile.mkdtemp(prefix="isthmus-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _environ(home: Path, port: int) -> dict[str, str]:
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("ISTHMUS_") or key == "ISTHMUS_ALLOW_NO_SANDBOX"
    }
    return {
        **kept,
        "ISTHMUS_HOME": str(home / "home"),
        "ISTHMUS_SECRETS_DIR": str(home / "secrets"),
        "ISTHMUS_PORT": str(port),
        "ISTHMUS_ALLOW_LOOPBACK_HTTP": "1",
    }


def _step(text: str) -> None:
    print(f"· {text} …", flush=True)


if __name__ == "__main__":
    sys.exit(main())
