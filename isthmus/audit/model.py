"""What an audit reads from an org, as typed rows. Loaded inside the mover too, so nothing heavier than msgspec here.

Each row has only what a rule or the report needs. Rows travel from the mover as messages of at most
`MESSAGE_BYTES_MAX`, one kind of row each; a field that the org sends and no row lists is dropped in the mover.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

WEEKS_KEPT: Final = 27
"""Weeks of logins that are told apart: six months and the week in which they began."""
DAYS_KEPT: Final = WEEKS_KEPT * 7

# Words of `SoFar.unavailable`: what the connected user may not read, besides whole objects by name.
PSLS_UNAVAILABLE: Final = "PermissionSetLicense"
PERMISSIONS_UNAVAILABLE: Final = "permissions of permission set licences"
FEATURES_UNAVAILABLE: Final = "feature licences"


class LoginKind(StrEnum):
    """What a login says about a person's presence (classes of the reference, section 4)."""

    UI = "ui"
    SSO = "sso"
    EXTERNAL = "external"
    COMMUNITY = "community"  # an internal user on a site: in person, but perhaps a lighter licence would do
    APP = "app"  # a person's own client: the mobile app
    MAIL = "mail"  # a mail add-in or a chat client: a person, who never opens Salesforce itself
    TOOL = "tool"  # a developer's tool: a person, but no evidence that a seat is used
    API = "api"
    MACHINE = "machine"
    SEEDED = "seeded"  # a machine that a person once let in
    WEAK = "weak"
    SYSTEM = "system"
    UNKNOWN = "unknown"  # outside the tables: counts as a person's presence, and is shown

    @property
    def human(self) -> bool:
        """Whether it counts as a person's own use. Unknown kinds do: nobody is called inactive by a gap in a table."""
        return self.in_person or self is LoginKind.MAIL

    @property
    def in_person(self) -> bool:
        """Whether the person opened Salesforce itself (or we do not know the word)."""
        return self in {
            LoginKind.UI,
            LoginKind.SSO,
            LoginKind.EXTERNAL,
            LoginKind.COMMUNITY,
            LoginKind.APP,
            LoginKind.UNKNOWN,
        }

    @property
    def machine(self) -> bool:
        """Whether it counts as use by software in the user's name."""
        return self in {LoginKind.TOOL, LoginKind.API, LoginKind.MACHINE, LoginKind.SEEDED}


class LicenseRow(msgspec.Struct, frozen=True):
    """A pool of user licences (UserLicense). `used` counts active users, as of `used_updated_at` if that is set."""

    id: str
    name: str
    label: str
    key: str
    status: str
    total: int
    used: int
    used_updated_at: datetime | None = None
    logins_entitled: int | None = None
    logins_used: int | None = None


class PslRow(msgspec.Struct, frozen=True):
    """A pool of permission set licences (PermissionSetLicense).

    `permissions`: what it can grant, by name, sorted; empty too where that is not visible (`Reading.unavailable`).
    """

    id: str
    name: str
    key: str
    label: str
    status: str
    total: int
    used: int
    expires_on: date | None = None
    for_integrations: bool = False
    permissions: tuple[str, ...] = ()


class PslAssignRow(msgspec.Struct, frozen=True, gc=False):
    """One grant of a permission set licence. It is never updated, so `created_at` is the instant of the grant."""

    id: str
    user: str
    psl: str
    created_at: datetime


class UserRow(msgspec.Struct, frozen=True, gc=False):
    """A user, active or not. `license` is None for users without a profile: they hold no seat."""

    id: str
    username: str
    name: str
    email: str
    active: bool
    user_type: str
    created_at: datetime
    license: str | None = None
    license_key: str = ""
    profile: str = ""
    department: str = ""
    manager: str | None = None
    federation_id: str | None = None
    employee_number: str | None = None
    last_login_at: datetime | None = None
    failed_logins: int = 0
    email_verified: bool | None = None
    external: bool = False
    features: tuple[str, ...] = ()


class LoginRow(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The logins of one user on one UTC day of one kind, successful or not: their number, the first, the last."""

    user: str
    day: date
    kind: LoginKind
    success: bool
    count: int
    first: datetime
    last: datetime


class Vocabulary(StrEnum):
    """Lists of words in which an org may use one that we do not know."""

    LOGIN_TYPE = "login_type"
    LOGIN_STATUS = "login_status"


class RequestLine(msgspec.Struct, frozen=True):
    """A request that was sent: what it is called, its text, how often, how many rows came back."""

    name: str
    text: str
    times: int
    rows: int


class StartedMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="started"):
    """The first message: the instant that everything is judged at, by the org's own clock."""

    taken_at: datetime


class LicensesMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="licenses"):
    """Rows of UserLicense."""

    rows: tuple[LicenseRow, ...]


class PslsMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="psls"):
    """Rows of PermissionSetLicense."""

    rows: tuple[PslRow, ...]


class PslAssignsMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="psl_assigns"):
    """Rows of PermissionSetLicenseAssign."""

    rows: tuple[PslAssignRow, ...]


class UsersMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="users"):
    """Rows of User."""

    rows: tuple[UserRow, ...]


class LoginsMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="logins"):
    """Logins by user, day and kind. One user, day and kind may come in several rows: they add up."""

    rows: tuple[LoginRow, ...]


class UnknownWordMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="unknown_word"):
    """A word outside our tables, and how many logins had it."""

    vocabulary: Vocabulary
    word: str
    count: int


class ProgressMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="progress"):
    """How far the reading is, in parts per hundred, and how many rows and API calls it took so far."""

    percent: int
    rows: int
    api_calls: int


class Window(msgspec.Struct, frozen=True, array_like=True):
    """The half-open span [since, until) of login history, in UTC."""

    since: datetime
    until: datetime


class SoFar(msgspec.Struct, frozen=True):
    """What a reading has found and done by now, besides rows. `interruptions`: how often it was taken up again."""

    history_start: datetime | None
    login_rows: int
    unavailable: tuple[str, ...]
    requests: tuple[RequestLine, ...]
    api_calls: int
    calls_estimated: int = 0
    interruptions: int = 0


class WindowRead(msgspec.Struct, frozen=True):
    """A window whose logins have been read, and how many they are."""

    window: Window
    logins: int


class Resume(msgspec.Struct, frozen=True):
    """Where an interrupted reading goes on: everything but logins was read, and the logins of the windows `done`.

    `newest` is the newest one read that has logins, if any has: what the connected user sees now is compared with it.
    """

    taken_at: datetime
    so_far: SoFar
    done: tuple[Window, ...]
    newest: WindowRead | None = None


class WindowMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="window"):
    """All logins of a window have been reported, and of no window only some: a reading may go on from here."""

    read: WindowRead
    so_far: SoFar


class CollectedMessage(SoFar, frozen=True, tag_field="kind", tag="collected"):
    """The last message of a complete reading."""


class CollectFailure(StrEnum):
    """Why an audit could not read what it needs. With the keeper gone it is tried again, so that is never stored."""

    NOT_READABLE = "not_readable"
    FIELD_MISSING = "field_missing"
    LOGIN_COUNT_DIFFERS = "login_count_differs"
    SIGHT_CHANGED = "sight_changed"
    WINDOW_TOO_DENSE = "window_too_dense"
    ROWS_DIFFER = "rows_differ"
    ANSWER_UNEXPECTED = "answer_unexpected"
    LIMITED = "limited"
    EXPIRED = "expired"
    LEASE_LOST = "lease_lost"
    KEEPER_GONE = "keeper_gone"
    UNREACHABLE = "unreachable"
    MOVER_STOPPED = "mover_stopped"
    NO_SANDBOX = "no_sandbox"


class FailedMessage(msgspec.Struct, frozen=True, tag_field="kind", tag="failed"):
    """The last message of a reading that cannot be completed; `reason` is a word of `CollectFailure`."""

    reason: CollectFailure
    object: str


AuditMessage: TypeAlias = (
    StartedMessage
    | LicensesMessage
    | PslsMessage
    | PslAssignsMessage
    | UsersMessage
    | LoginsMessage
    | UnknownWordMessage
    | WindowMessage
    | ProgressMessage
    | CollectedMessage
    | FailedMessage
)
