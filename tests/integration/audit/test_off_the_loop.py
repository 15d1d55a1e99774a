"""What takes long in a large audit runs in threads: a worker's heartbeats, leases and tickers share its event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Final

import pytest

from isthmus.audit.desk.views import AuditState, DocumentKind
from isthmus.audit.evidence.bundle import zipped
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.judge import judge
from isthmus.audit.perform import perform_audit
from isthmus.audit.service import document, has_document
from isthmus.values import Purpose
from tests.integration.audit.test_resuming import demo
from tests.integration.audit.test_worker import Product, product
from tests.support.orgsim import Orgsim
from tests.unit.audit.orgs import rich

__all__ = ["demo", "product"]

HEAVY: Final = frozenset(
    {
        ("collecting/checkpoint.py", "restored"),
        ("zlib", "compress"),
        ("snapshot.py", "finish"),
        ("judge.py", "judge"),
        ("view.py", "_activities"),
        ("evidence/bundle.py", "zipped"),
        ("report/files.py", "render_xlsx"),
        ("report/files.py", "render_csv"),
        ("report/files.py", "render_json"),
        ("report/typesetting.py", "typeset"),
        ("store.py", "_part"),
    }
)
"""At 100,000 users each of these takes from a third of a second to ten: file in `isthmus/audit`, or library, and function."""


@dataclass
class Calls:
    """Which of them were called: on the loop's thread, and in others."""

    on_the_loop: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    elsewhere: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])


@contextmanager
def watching() -> Generator[Calls]:
    """Watch calls of this thread, which is the loop's, and of the threads that begin meanwhile."""
    calls = Calls()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())  # whose threads have not begun yet

    def seen(into: set[tuple[str, str]], frame: FrameType, event: str, called: object) -> None:
        if event == "call":
            place = frame.f_code.co_filename.rpartition("isthmus/audit/")[2], frame.f_code.co_name
        else:
            place = "zlib", getattr(called, "__name__", "")
        if event in {"call", "c_call"} and place in HEAVY:
            into.add(place)

    threading.setprofile(lambda frame, event, called: seen(calls.elsewhere, frame, event, called))
    sys.setprofile(lambda frame, event, called: seen(calls.on_the_loop, frame, event, called))
    try:
        yield calls
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


async def test_an_audit_keeps_what_takes_long_off_the_worker_s_loop(product: Product, demo: Orgsim) -> None:
    audit = await product.request(await product.keeper.connect(demo, "north", Purpose.AUDIT))
    with watching() as calls:
        await perform_audit(audit, replace(product.app, checkpoint_every_s=0))
    done = await product.detail(audit)
    assert done is not None
    assert done.audit.state is AuditState.DONE
    assert calls.on_the_loop == set()
    assert calls.elsewhere == HEAVY


async def test_work_on_the_loop_is_seen() -> None:
    with watching() as calls:
        judged = judge(rich().snapshot(), AuditOptions(), "acme")
        await asyncio.to_thread(zipped, judged.bundle)
    assert calls.on_the_loop >= {("judge.py", "judge"), ("view.py", "_activities")}
    assert calls.elsewhere == {("evidence/bundle.py", "zipped"), ("zlib", "compress")}


async def test_what_was_let_go_cannot_be_asked_for() -> None:
    judged = judge(rich().snapshot(), AuditOptions(), "acme")
    fingerprint = judged.fingerprint
    judged.let_go()
    assert fingerprint.encode() in judged.documents["report.json"]
    for ask in (lambda: judged.view, lambda: judged.bundle):
        with pytest.raises(RuntimeError, match="let go"):
            ask()


async def test_documents_are_shown_when_the_audit_is_done_and_go_if_it_fails(product: Product, demo: Orgsim) -> None:
    audit = await product.request(await product.keeper.connect(demo, "north", Purpose.AUDIT))
    await perform_audit(audit, product.app)
    admin = await product.keeper.database.superuser()
    shown: list[bool] = []
    for state in ("reporting", "done", "failed"):
        await admin.execute("update audit.audit set state = %s where id = %s", (state, audit))
        async with product.portal.tenant(product.keeper.ticket) as tx:
            shown.append(await has_document(tx, audit, DocumentKind.JSON))
            assert shown[-1] == (await document(tx, audit, DocumentKind.JSON) is not None)
        detail = await product.detail(audit)
        assert detail is not None
        assert bool(detail.documents) == shown[-1]
    assert shown == [False, True, False]
    left = await admin.execute("select (select count(*) from audit.document) + (select count(*) from audit.person)")
    assert await left.fetchone() == (0,)
