"""What an audit read, whole: built from a mover's messages, kept in bundles, judged by rules. Pure.

Logins are kept by user, kind and success (`audit.login_table`), so their memory does not depend on how often people
log in. Texts that many rows share are kept once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

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
    StartedMessage,
    UnknownWordMessage,
    UserRow,
    UsersMessage,
    Vocabulary,
)


class UnknownWord(msgspec.Struct, frozen=True):
    """A word outside our tables, and how many logins had it."""

    vocabulary: Vocabulary
    word: str
    count: int


class SandboxSigns(msgspec.Struct, frozen=True):
    """What in the users looks like a sandbox; counted before names may be replaced by pseudonyms."""

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


class SnapshotBuilder:
    """Takes a mover's messages in any order and gives the snapshot at the end."""

    def __init__(self, host: str) -> None:
        """Begin an empty snapshot of the org at `host`."""
        self._host = host
        self._licenses: list[LicenseRow] = []
        self._psls: list[PslRow] = []
        self._assigns: list[PslAssignRow] = []
        self._users: list[UserRow] = []
        self._logins = LoginTable()
        self._texts: dict[str, str] = {}
        self._unknown: Counter[tuple[Vocabulary, str]] = Counter()
        self._taken_at: datetime | None = None
        self._end: CollectedMessage | None = None

    def take(self, message: AuditMessage) -> None:  # noqa: C901 one flat case for each kind of message
        """Take one message in. Raises `ReadingFailed` for the message of a failure."""
        match message:
            case StartedMessage():
                self._taken_at = message.taken_at
            case LicensesMessage():
                self._licenses.extend(message.rows)
            case PslsMessage():
                self._psls.extend(message.rows)
            case PslAssignsMessage():
                self._assigns.extend(message.rows)
            case UsersMessage():
                self._users.extend(lean(row, self._texts) for row in message.rows)
            case LoginsMessage():
                for row in message.rows:
                    self._add_login(row, self._taken_at)
            case UnknownWordMessage():
                self._unknown[message.vocabulary, message.word] += message.count
            case CollectedMessage():
                self._end = message
            case FailedMessage():
                raise ReadingFailed(message)
            case ProgressMessage():
                pass

    @property
    def complete(self) -> bool:
        """Whether the closing message has come."""
        return self._end is not None

    def finish(self) -> Snapshot:
        """Return the snapshot, once. Raises `ValueError` before the closing message has come."""
        end, taken_at = self._end, self._taken_at
        if end is None or taken_at is None:
            message = "the reading has not been completed"
            raise ValueError(message)
        users = tuple(sorted(self._users, key=lambda row: row.id))
        reading = Reading(
            host=self._host,
            taken_at=taken_at,
            history_start=end.history_start,
            login_rows=end.login_rows,
            api_calls=end.api_calls,
            unavailable=end.unavailable,
            requests=end.requests,
            unknown_words=tuple(UnknownWord(v, w, n) for (v, w), n in sorted(self._unknown.items())),
            sandbox=_sandbox_signs(users),
            calls_estimated=end.calls_estimated,
        )
        return Snapshot(
            reading=reading,
            licenses=tuple(sorted(self._licenses, key=lambda row: row.id)),
            psls=tuple(sorted(self._psls, key=lambda row: row.id)),
            assigns=tuple(sorted(self._assigns, key=lambda row: row.id)),
            users=users,
            logins=self._logins,
        )

    def _add_login(self, row: LoginRow, taken_at: datetime | None) -> None:
        if taken_at is None:
            message = "logins came before the instant of the audit"
            raise ValueError(message)
        self._logins.add(row, (taken_at.date() - row.day).days)


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
    """Count e-mails ending in `.invalid`, and user names that are an e-mail address with one common ending added."""
    total = invalid = 0
    endings: Counter[str] = Counter()
    for user in users:
        if not user.email:
            continue
        total += 1
        email = user.email.casefold()
        if email.endswith(".invalid"):
            invalid += 1
            email = email.removesuffix(".invalid")
        username = user.username.casefold()
        ending = username.removeprefix(email)
        if username.startswith(email + ".") and "." not in ending[1:]:
            endings[ending] += 1
    return SandboxSigns(total, invalid, max(endings.values(), default=0))
