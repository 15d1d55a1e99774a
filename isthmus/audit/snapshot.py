"""What an audit read, whole: built from a mover's messages, kept in bundles, judged by rules. Pure.

Logins are kept by user, kind and success (`audit.login_table`), so their memory does not depend on how often people
log in. Texts that many rows share are kept once.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

from isthmus.audit.login_table import LoginTable
from isthmus.audit.model import (
    AuditMessage,
    CollectedMessage,
    FailedMessage,
    LicenseRow,
    LicensesMessage,
    LoginRow,
    LoginsMessage,
    ProgressMessage,
    PslAssignRow,
    PslAssignsMessage,
    PslRow,
    PslsMessage,
    RequestLine,
    Resume,
    StartedMessage,
    UnknownWordMessage,
    UserRow,
    UsersMessage,
    Vocabulary,
    Window,
    WindowMessage,
    WindowRead,
)

_INVALID: Final = ".invalid"
_COPIED: Final = re.compile(r"[^@]+=[^@]+@example\.com")
"""What became of `name@company.com` in sandboxes before Salesforce added `.invalid`."""


class UnknownWord(msgspec.Struct, frozen=True):
    """A word outside our tables, and how many logins had it."""

    vocabulary: Vocabulary
    word: str
    count: int


class SandboxSigns(msgspec.Struct, frozen=True):
    """What in the active users looks like a sandbox; counted before names may be replaced by pseudonyms.

    `invalid_emails` are addresses that copying an org has made unusable.
    """

    users: int
    invalid_emails: int
    suffixed_usernames: int


class Reading(msgspec.Struct, frozen=True):
    """The circumstances of a snapshot."""

    host: str
    taken_at: datetime
    history_start: datetime | None
    login_rows: int
    api_calls: int
    unavailable: tuple[str, ...]
    requests: tuple[RequestLine, ...]
    unknown_words: tuple[UnknownWord, ...]
    sandbox: SandboxSigns
    pseudonymous: bool = False
    calls_estimated: int = 0
    interruptions: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was read, each list in a fixed order."""

    reading: Reading
    licenses: tuple[LicenseRow, ...]
    psls: tuple[PslRow, ...]
    assigns: tuple[PslAssignRow, ...]
    users: tuple[UserRow, ...]
    logins: LoginTable


class ReadingFailed(Exception):
    """The mover could not complete the reading; holds its last message."""

    def __init__(self, failed: FailedMessage) -> None:
        """Keep the message: a reason of a closed list and the name of an object."""
        super().__init__(f"{failed.object}: {failed.reason.value}")
        self.failed = failed


@dataclass(slots=True)
class Rows:
    """What was read so far: rows of each kind, and words that are outside our tables."""

    licenses: list[LicenseRow] = field(default_factory=list[LicenseRow])
    psls: list[PslRow] = field(default_factory=list[PslRow])
    assigns: list[PslAssignRow] = field(default_factory=list[PslAssignRow])
    users: list[UserRow] = field(default_factory=list[UserRow])
    logins: LoginTable = field(default_factory=LoginTable)
    unknown: Counter[tuple[Vocabulary, str]] = field(default_factory=Counter[tuple[Vocabulary, str]])


class SnapshotBuilder:
    """Takes a mover's messages in any order and gives the snapshot at the end."""

    def __init__(self, host: str, rows: Rows | None = None, resume: Resume | None = None) -> None:
        """Begin a snapshot of the org at `host`: empty, or with what an interrupted reading had reported."""
        self.rows = rows or Rows()
        self.host = host
        self._texts: dict[str, str] = {}
        self._taken_at = resume.taken_at if resume else None
        self._so_far = resume.so_far if resume else None
        self._done = list(resume.done) if resume else []
        self._newest = resume.newest if resume else None
        self._complete = False

    def take(self, message: AuditMessage) -> None:  # noqa: C901 one flat case for each kind of message
        """Take one message in. Raises `ReadingFailed` for the message of a failure."""
        rows = self.rows
        match message:
            case StartedMessage():
                self._taken_at = message.taken_at
            case LicensesMessage():
                rows.licenses.extend(message.rows)
            case PslsMessage():
                rows.psls.extend(message.rows)
            case PslAssignsMessage():
                rows.assigns.extend(message.rows)
            case UsersMessage():
                rows.users.extend(lean(row, self._texts) for row in message.rows)
            case LoginsMessage():
                for row in message.rows:
                    self._add_login(row, self._taken_at)
            case UnknownWordMessage():
                rows.unknown[message.vocabulary, message.word] += message.count
            case WindowMessage():
                self._so_far = message.so_far
                self._done = joined([*self._done, message.read.window])
                self._newest = newer(self._newest, message.read)
            case CollectedMessage():
                self._so_far = message
                self._complete = True
            case FailedMessage():
                raise ReadingFailed(message)
            case ProgressMessage():
                pass

    @property
    def complete(self) -> bool:
        """Whether the closing message has come."""
        return self._complete

    def resume(self) -> Resume | None:
        """Return where a later reading may go on, right after a `WindowMessage`; None before the first one."""
        if self._so_far is None or self._taken_at is None:
            return None
        return Resume(self._taken_at, self._so_far, tuple(self._done), self._newest)

    def finish(self) -> Snapshot:
        """Return the snapshot, once. Raises `ValueError` before the closing message has come."""
        end, taken_at = self._so_far, self._taken_at
        if not self._complete or end is None or taken_at is None:
            message = "the reading has not been completed"
            raise ValueError(message)
        rows = self.rows
        users = tuple(sorted(rows.users, key=lambda row: row.id))
        reading = Reading(
            host=self.host,
            taken_at=taken_at,
            history_start=end.history_start,
            login_rows=end.login_rows,
            api_calls=end.api_calls,
            unavailable=end.unavailable,
            requests=end.requests,
            unknown_words=tuple(UnknownWord(v, w, n) for (v, w), n in sorted(rows.unknown.items())),
            sandbox=_sandbox_signs(users),
            calls_estimated=end.calls_estimated,
            interruptions=end.interruptions,
        )
        return Snapshot(
            reading=reading,
            licenses=tuple(sorted(rows.licenses, key=lambda row: row.id)),
            psls=tuple(sorted(rows.psls, key=lambda row: row.id)),
            assigns=tuple(sorted(rows.assigns, key=lambda row: row.id)),
            users=users,
            logins=rows.logins,
        )

    def _add_login(self, row: LoginRow, taken_at: datetime | None) -> None:
        if taken_at is None:
            message = "logins came before the instant of the audit"
            raise ValueError(message)
        self.rows.logins.add(row, (taken_at.date() - row.day).days)


def newer(known: WindowRead | None, read: WindowRead) -> WindowRead | None:
    """Return the newer of both windows; one without logins tells nothing."""
    if read.logins == 0 or (known is not None and known.window.since > read.window.since):
        return known
    return read


def joined(windows: Iterable[Window]) -> list[Window]:
    """Return the same spans in order, those that touch made one."""
    spans: list[Window] = []
    for window in sorted(windows, key=lambda window: window.since):
        if spans and window.since <= spans[-1].until:
            spans[-1] = Window(spans[-1].since, max(spans[-1].until, window.until))
        else:
            spans.append(window)
    return spans


def lean(row: UserRow, texts: dict[str, str]) -> UserRow:
    """Return the row with texts that are in `texts` already, where many users share them; new ones are put there."""
    return msgspec.structs.replace(
        row,
        email=row.username if row.email == row.username else row.email,
        user_type=texts.setdefault(row.user_type, row.user_type),
        license=None if row.license is None else texts.setdefault(row.license, row.license),
        license_key=texts.setdefault(row.license_key, row.license_key),
        profile=texts.setdefault(row.profile, row.profile),
        department=texts.setdefault(row.department, row.department),
        manager=None if row.manager is None else texts.setdefault(row.manager, row.manager),
    )


def _sandbox_signs(users: Iterable[UserRow]) -> SandboxSigns:
    """Count addresses that were made unusable, and user names that are an e-mail address with one common ending added.

    Of active users alone: addresses of people who left are made unusable in production orgs, too.
    """
    total = invalid = 0
    endings: Counter[str] = Counter()
    for user in users:
        if not user.email or not user.active:
            continue
        total += 1
        email = user.email.casefold()
        if email.endswith(_INVALID) or _COPIED.fullmatch(email):
            invalid += 1
            email = email.removesuffix(_INVALID)
        username = user.username.casefold()
        ending = username.removeprefix(email)
        if username.startswith(email + ".") and "." not in ending[1:]:
            endings[ending] += 1
    return SandboxSigns(total, invalid, max(endings.values(), default=0))
