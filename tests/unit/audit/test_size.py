"""What keeps a large audit small: columns of logins, files in parts, a PDF that names so many findings and says so."""

from __future__ import annotations

import gc
import tracemalloc
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from isthmus.audit.composing.compose import compose
from isthmus.audit.evidence.bundle import MANIFEST, manifest_of
from isthmus.audit.evidence.parts import MadeFiles, canonical, parts_of
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.judge import judge
from isthmus.audit.model import (
    AuditMessage,
    CollectedMessage,
    LicenseRow,
    LicensesMessage,
    LoginKind,
    LoginRow,
    LoginsMessage,
    StartedMessage,
    UsersMessage,
)
from isthmus.audit.report.files import render_csv
from isthmus.audit.report.findings import FINDINGS_PRINTED_MAX
from isthmus.audit.report.pdf import pdf_data
from isthmus.audit.snapshot import SnapshotBuilder
from tests.unit.audit.world import CRM, HOST, NOW, Org


def test_the_pdf_names_the_first_findings_and_says_how_many_more_the_tables_have() -> None:
    org = Org()
    org.license(total=FINDINGS_PRINTED_MAX * 4)
    org.regulars(150)
    for number in range(FINDINGS_PRINTED_MAX + 40):
        org.user(f"Never {number:04d}", last=None, created=200)
    report = compose(org.analyse(), "acme")
    data = pdf_data(report, "f" * 64)
    groups: Any = data["groups"]
    assert sum(len(group["rows"]) for group in groups) == FINDINGS_PRINTED_MAX
    assert data["unprinted"] == len(report.findings) - FINDINGS_PRINTED_MAX >= 40
    assert b"".join(render_csv(report)).count(b"\r\n") == 1 + len(report.findings)


def test_files_are_made_when_they_are_read_and_not_before() -> None:
    made: list[str] = []

    def maker(name: str) -> list[bytes]:
        made.append(name)
        return [name.encode(), b"!"]

    files = MadeFiles({name: lambda name=name: maker(name) for name in ("b", "a")})
    assert "a" in files
    assert (sorted(files), len(files), made) == (["a", "b"], 2, [])
    assert files["b"] == b"b!"
    with pytest.raises(KeyError):
        files["c"]
    whole = dict(files)
    assert canonical(manifest_of(files)) == canonical(manifest_of({**whole, MANIFEST: b""}))


USERS = 300
LOGINS = 12
KINDS = (LoginKind.UI, LoginKind.APP, LoginKind.MACHINE)
SNAPSHOT_BYTES_A_USER_MAX = 1_400
JUDGING_BYTES_A_USER_MAX = 2_000


class Hoarder(SnapshotBuilder):
    """The fault that these tests must see: it keeps each row of logins."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.hoard: list[LoginRow] = []

    def take(self, message: AuditMessage) -> None:
        super().take(message)
        if isinstance(message, LoginsMessage):
            self.hoard.extend(message.rows)


def messages(users: int, logins: int) -> Iterator[bytes]:
    """Yield what a mover reports of so many users with so many rows of logins each, as it arrives: as bytes."""
    yield msgspec.json.encode(StartedMessage(NOW))
    for number in range(users):
        org = Org()
        org.users = [None] * number  # type: ignore[list-item] only their number counts
        user = org.user(f"Person {number}", last=2 if number % 4 else None, human=[], department=f"D{number % 9}")
        yield msgspec.json.encode(UsersMessage((user,)))
        rows = tuple(
            LoginRow(user.id, at.date(), KINDS[place % 3], success=True, count=1, first=at, last=at)
            for place in range(logins if number % 4 else 0)
            for at in (NOW - timedelta(days=2 + place % 170, seconds=number + place),)
        )
        yield msgspec.json.encode(LoginsMessage(rows))
    crm = LicenseRow(CRM, "Salesforce", "Salesforce", "SFDC", "Active", users, users)
    yield msgspec.json.encode(LicensesMessage((crm,)))
    yield msgspec.json.encode(CollectedMessage(NOW - timedelta(days=180), users * logins, (), (), 42))


@contextmanager
def traced() -> Iterator[Callable[[], tuple[int, int]]]:
    """Count the memory of what Python makes: yields a function that returns what is held, and the most that was."""
    gc.collect()
    tracemalloc.start()
    try:
        yield tracemalloc.get_traced_memory
    finally:
        tracemalloc.stop()


def held_bytes(builder: SnapshotBuilder, users: int, logins: int) -> int:
    """Return how much is held once everything has been taken in."""
    decoder, arriving = msgspec.json.Decoder(AuditMessage), list(messages(users, logins))
    with traced() as memory:
        for message in arriving:
            builder.take(decoder.decode(message))
        snapshot = builder.finish()
        gc.collect()
        held, _ = memory()
    assert len(snapshot.users) == users
    return held


def check_flat_in_logins(make: Callable[[str], SnapshotBuilder]) -> None:
    few, many = held_bytes(make(HOST), USERS, LOGINS), held_bytes(make(HOST), USERS, 8 * LOGINS)
    assert many < 1.1 * few, (few, many)


def check_small_by_user(make: Callable[[str], SnapshotBuilder]) -> None:
    held = held_bytes(make(HOST), 3 * USERS, LOGINS) - held_bytes(make(HOST), USERS, LOGINS)
    assert held / (2 * USERS) < SNAPSHOT_BYTES_A_USER_MAX, held / (2 * USERS)


def test_what_is_held_does_not_grow_with_the_logins_of_the_same_users() -> None:
    check_flat_in_logins(SnapshotBuilder)


def test_what_is_held_is_little_by_the_user() -> None:
    check_small_by_user(SnapshotBuilder)


@pytest.mark.parametrize("check", [check_flat_in_logins, check_small_by_user])
def test_a_builder_that_keeps_the_rows_of_logins_is_caught(
    check: Callable[[Callable[[str], SnapshotBuilder]], None],
) -> None:
    with pytest.raises(AssertionError):
        check(Hoarder)


def judging_peak_bytes(users: int, logins: int) -> int:
    """Return the most that judging and writing hold at a time, beside the snapshot; the PDF left out."""
    builder, decoder = SnapshotBuilder(HOST), msgspec.json.Decoder(AuditMessage)
    for message in messages(users, logins):
        builder.take(decoder.decode(message))
    snapshot = builder.finish()
    with traced() as memory:
        judged = judge(snapshot, AuditOptions(), "acme")
        for files in (judged.bundle, judged.documents):
            for name in files:
                if name != "report.pdf":  # the typesetter's memory is not Python's
                    deque(parts_of(files, name), maxlen=0)
        _, peak = memory()
    assert len(judged.report.findings) >= users // 4
    return peak


def test_judging_and_writing_take_little_by_the_user_whatever_their_logins() -> None:
    judging_peak_bytes(50, LOGINS)  # what is loaded once
    small, large = judging_peak_bytes(2 * USERS, LOGINS), judging_peak_bytes(4 * USERS, LOGINS)
    assert (large - small) / (2 * USERS) < JUDGING_BYTES_A_USER_MAX, (large - small) / (2 * USERS)
    assert judging_peak_bytes(2 * USERS, 4 * LOGINS) < 1.1 * small


def test_findings_share_no_text_with_the_users_who_are_let_go() -> None:
    org = Org()
    org.license(total=99)
    org.regulars(20)
    org.user("Nora Never", last=None, created=200)
    snapshot = org.snapshot()
    held = {id(text) for user in snapshot.users for text in (user.id, user.name, user.username, user.email)}
    findings = [line for line in judge(snapshot, AuditOptions(), "acme").report.findings if line.email]
    assert [line.subject for line in findings] == ["Nora Never"]
    assert not held & {id(text) for f in findings for text in (f.subject_id, f.subject, f.detail, f.email)}
