"""A reading that breaks off goes on from where it was, and comes to what it would have come to."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

import msgspec
import pypdf
import pytest

from isthmus.audit import store
from isthmus.audit.collecting.checkpoint import CheckpointFile, Header, packed, restored, unpacked
from isthmus.audit.collecting.folder_shelf import FolderShelf
from isthmus.audit.desk.views import AuditState
from isthmus.audit.evidence.verify import verify_bundle
from isthmus.audit.failures import AuditFailed, AuditInterrupted, Failure
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.model import ProgressMessage, Window
from isthmus.audit.once import UNFINISHED_DIR
from isthmus.audit.perform import AuditApp, perform_audit
from isthmus.audit.store_checkpoint import StoredShelf
from isthmus.db.ticket import Ticket
from isthmus.orgs.keeper_client import RunKind
from isthmus.values import AuditId, Purpose, Secret
from tests.integration.audit.test_worker import Product, product
from tests.support.auditing import audit_org
from tests.support.orgsim import Orgsim, start_orgsim
from tests.support.postgres import Connection
from tests.support.trouble import movers

__all__ = ["product"]

LOGINS: Final = re.compile(r"LoginTime >= (\S+) AND LoginTime < (\S+) GROUP BY")
AS_READ: Final = {"api_calls", "requests", "calls_estimated", "interruptions", "bundle_sha256"}


@pytest.fixture(scope="module")
def demo() -> Iterator[Orgsim]:
    with start_orgsim(profile="demo", seed=3) as org:
        yield org


class Cut(BaseException):
    """What Ctrl-C is to a reading."""


@dataclass
class Cutter:
    """Stops the reading at its `after`-th report of progress."""

    after: int
    percents: list[int] = field(default_factory=list[int])

    def __call__(self, message: ProgressMessage) -> None:
        self.percents.append(message.percent)
        if len(self.percents) == self.after:
            raise Cut


def asked(org: Orgsim) -> list[str]:
    """Return the queries that the org got since it was asked last."""
    found = [text for call in org.transcript() for text in parse_qs(str(call["query"] or "")).get("q", [])]
    org.control("DELETE", "/transcript")
    return found


def windows(queries: list[str]) -> list[Window]:
    """Return the windows of login history that were read."""
    found = (match for query in queries if (match := LOGINS.search(query)))
    return [Window(datetime.fromisoformat(match[1]), datetime.fromisoformat(match[2])) for match in found]


def inside(window: Window, spans: tuple[Window, ...]) -> bool:
    """Whether a window lies in one of these, even in part."""
    return any(window.since < span.until and span.since < window.until for span in spans)


def reads_static(queries: list[str]) -> bool:
    return any(
        f"FROM {name}" in query for query in queries for name in ("User ", "UserLicense", "PermissionSetLicense")
    )


def figures(out: Path) -> dict[str, object]:
    """Return what a report says, but for how it was read."""
    report = json.loads((out / "report.json").read_text())
    return {name: value for name, value in report.items() if name not in AS_READ}


def options(demo: Orgsim) -> AuditOptions:
    newest = max(datetime.fromisoformat(row["LoginTime"]) for row in demo.rows("LoginHistory"))
    return AuditOptions(as_of=newest.replace(microsecond=0))


def done(unfinished: Path, org: Orgsim) -> tuple[Window, ...]:
    """Return the windows of which a checkpoint says that they are whole."""
    host = org.instance_url.partition("://")[2]
    builder = restored(asyncio.run(FolderShelf(unfinished).load()), host, None, datetime.now(UTC))
    assert builder is not None
    resume = builder.resume()
    assert resume is not None
    return resume.done


def test_an_audit_that_is_stopped_goes_on_with_the_same_command_and_finds_the_same(
    demo: Orgsim, tmp_path: Path
) -> None:
    judged_at, out = options(demo), tmp_path / "out"
    unfinished = out / UNFINISHED_DIR
    audit_org(demo, tmp_path / "before", options=judged_at)
    whole = windows(asked(demo))
    kept: tuple[Window, ...] = ()
    for after in (4, 9):
        with pytest.raises(Cut):
            audit_org(demo, out, options=judged_at, checkpoint_every_s=0, on_progress=Cutter(after))
        assert [place.name for place in out.iterdir()] == [UNFINISHED_DIR]
        assert not any(inside(window, kept) for window in windows(asked(demo))), "what was whole is not read again"
        kept = done(unfinished, demo)
        assert kept
    files = [unfinished, *unfinished.iterdir()]
    assert {place.stat().st_mode & 0o777 for place in files} == {0o700, 0o600}

    percents = Cutter(0)
    result = audit_org(demo, out, options=judged_at, on_progress=percents)
    rest = asked(demo)
    assert result.report.interruptions == 2
    assert percents.percents[0] >= 30, "it shows what was done before"
    assert not reads_static(rest)
    assert not any(inside(window, kept) for window in windows(rest))
    assert sum(inside(window, kept) for window in whole) > 20, "that says something"
    assert not unfinished.exists()
    assert verify_bundle(out / "bundle", result.fingerprint).report == result.report
    pages = " ".join(page.extract_text() for page in pypdf.PdfReader(out / "report.pdf").pages)
    assert "went on from where it was (2 times)" in " ".join(pages.split())
    if figures(out) != figures(tmp_path / "before"):  # the org forgets a login of six months ago from time to time
        audit_org(demo, tmp_path / "after", options=judged_at)
        assert figures(out) == figures(tmp_path / "after")


def test_what_was_kept_beside_the_documents_goes_if_the_user_sees_other_logins(demo: Orgsim, tmp_path: Path) -> None:
    with pytest.raises(Cut):
        audit_org(demo, tmp_path, checkpoint_every_s=0, on_progress=Cutter(4))
    shelf = FolderShelf(tmp_path / UNFINISHED_DIR)
    content = b"".join(unpacked(asyncio.run(shelf.load())[CheckpointFile.READING]))
    header = msgspec.json.decode(content, type=Header)
    newest = header.resume.newest
    assert newest is not None
    more = msgspec.structs.replace(newest, logins=newest.logins + 1)
    header = msgspec.structs.replace(header, resume=msgspec.structs.replace(header.resume, newest=more))
    asyncio.run(shelf.save({CheckpointFile.READING: packed([msgspec.json.encode(header)])}))
    with pytest.raises(AuditFailed, match="does not see the logins that it saw before"):
        audit_org(demo, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_where_names_are_to_be_replaced_none_is_written_before(demo: Orgsim, tmp_path: Path) -> None:
    key = AuditOptions(pseudonym_key=Secret(b"k" * 32))
    with pytest.raises(Cut):
        audit_org(demo, tmp_path, options=key, checkpoint_every_s=0, on_progress=Cutter(12))
    assert list(tmp_path.iterdir()) == []


async def kept(admin: Connection) -> set[str]:
    cursor = await admin.execute("select distinct file::text from audit.checkpoint")
    return {str(row[0]) for row in await cursor.fetchall()}


async def cut_short(app: AuditApp, audit: AuditId, demo: Orgsim, admin: Connection) -> None:
    """Kill the mover when something of the reading has been kept."""
    demo.control("POST", "/faults", {"path": "/query", "method": "GET", "delay_s": 0.1})
    attempt = asyncio.create_task(perform_audit(audit, app))
    while not await kept(admin):
        assert not attempt.done()
        await asyncio.sleep(0.05)
    for mover in movers():
        mover.kill()
    with pytest.raises(AuditInterrupted):
        await attempt
    demo.control("DELETE", "/faults")


async def test_a_user_who_has_lost_the_sight_of_others_does_not_finish_what_was_begun(
    product: Product, demo: Orgsim
) -> None:
    reader = demo.ready["reader_username"]
    demo.control("POST", f"/users/{reader}/permissions", {"ViewSetup": True, "MonitorLoginHistory": True})
    audit = await product.request(await product.keeper.connect(demo, "north", Purpose.AUDIT, username=reader))
    app, admin = replace(product.app, checkpoint_every_s=0), await product.keeper.database.superuser()
    await cut_short(app, audit, demo, admin)
    demo.control("POST", f"/users/{reader}/permissions", {"MonitorLoginHistory": False})
    await perform_audit(audit, app)
    failed = await product.detail(audit)
    assert failed is not None
    assert failed.audit.state is AuditState.FAILED
    assert failed.audit.problem is not None
    assert "does not see the logins that it saw before" in failed.audit.problem
    assert await kept(admin) == set(), "the next one begins anew"


async def test_an_audit_whose_mover_dies_half_way_is_taken_up_where_it_was(product: Product, demo: Orgsim) -> None:
    audit = await product.request(await product.keeper.connect(demo, "north", Purpose.AUDIT))
    app, admin = replace(product.app, checkpoint_every_s=0), await product.keeper.database.superuser()
    asked(demo)
    await cut_short(app, audit, demo, admin)
    detail = await product.detail(audit)
    assert detail is not None
    assert detail.audit.state is AuditState.READING, "the queue tries it again"
    assert await kept(admin) == {name.value for name in CheckpointFile}
    first = asked(demo)

    await perform_audit(audit, app)
    done = await product.detail(audit)
    assert done is not None
    assert done.audit.state is AuditState.DONE
    assert done.report is not None
    assert done.report.interruptions == 1
    assert done.report.history_start is not None
    assert done.report.login_rows == sum(
        1
        for row in demo.rows("LoginHistory")
        if done.report.history_start <= datetime.fromisoformat(row["LoginTime"]) < done.report.taken_at
    )
    rest = asked(demo)
    assert reads_static(first)
    assert not reads_static(rest)
    assert await kept(admin) == set(), "it names people, and has done its work"


@pytest.mark.parametrize("end", ["failed", "forsaken", "removed"])
async def test_what_was_kept_of_an_audit_goes_with_its_end_whoever_ends_it(
    product: Product, demo: Orgsim, end: str
) -> None:
    connection = await product.keeper.connect(demo, "north", Purpose.AUDIT)
    audit = await product.request(connection)
    admin, worker = await product.keeper.database.superuser(), product.app.database
    ticket = await product.app.keeper.ticket_for_run(RunKind.AUDIT, audit)
    async with worker.tenant(ticket) as tx:
        claimed = await store.claim(tx, audit)
    assert claimed is not None

    async def fresh() -> Ticket:
        return ticket

    shelf = StoredShelf(worker, fresh, audit, claimed.attempt)
    await shelf.save({CheckpointFile.USERS: [b"first", b"second"], CheckpointFile.LOGINS: [b"third"]})
    await shelf.save({CheckpointFile.LOGINS: [b"fourth"]})
    assert await shelf.load() == {CheckpointFile.USERS: [b"first", b"second"], CheckpointFile.LOGINS: [b"fourth"]}
    with pytest.raises(store.AttemptLost):
        await StoredShelf(worker, fresh, audit, claimed.attempt - 1).save({CheckpointFile.LOGINS: [b"late"]})
    assert len(await kept(admin)) == 2
    if end == "failed":
        async with worker.tenant(ticket) as tx:
            await store.save_failure(tx, audit, claimed.attempt, Failure.LIMITED, None)
    elif end == "forsaken":
        await admin.execute("update audit.audit set requested_at = now() - interval '1 hour'")
        await admin.execute("delete from jobs.procrastinate_jobs")
        await admin.execute("select audit.end_forsaken()")
    else:
        await product.keeper.portal.revoke(product.keeper.ticket, connection)
        await admin.execute("delete from orgs.connection where id = %s", (connection,))
    assert await kept(admin) == set()
