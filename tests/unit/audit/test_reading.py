"""Words of logins, windows of history, and rows on their way."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.audit.collect import AuditJob
from isthmus.audit.collecting.collector import CHUNK_BYTES_MAX
from isthmus.audit.collecting.logins import (
    BLOCK_LOGINS_MAX,
    ROWS_PACKED,
    Block,
    CollectFailed,
    blocks,
    read_blocks,
)
from isthmus.audit.collecting.pace import Pace
from isthmus.audit.collecting.records import CountRecord, LoginGroupRecord, UserRecord, instant
from isthmus.audit.collecting.vocabulary import Outcome, kind_of, outcome_of
from isthmus.audit.model import CollectFailure, LoginKind, Window
from isthmus.salesforce.audit_queries import AUDIT_QUERIES, GROUPS_MAX
from tests.unit.audit.world import rows_of

START = datetime(2026, 5, 23, 6, 30, tzinfo=UTC)
END = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OBJECTS = {"User", "UserLicense", "LoginHistory", "PermissionSetLicense", "PermissionSetLicenseAssign"}


def test_the_queries_are_constants_on_the_five_objects_and_never_filter_what_cannot_be_filtered() -> None:
    for query in AUDIT_QUERIES.values():
        assert query.text.startswith("SELECT ")
        assert query.text.count(" FROM ") == 1
        assert query.text.split(" FROM ")[1].split()[0] in OBJECTS
        where = query.text.partition(" WHERE ")[2].partition(" GROUP BY ")[0]
        assert where in {"", "LoginTime >= {since} AND LoginTime < {until}"}  # peer defects 8 and 9
        assert not {"SourceIp", "Browser", "Platform", "CountryIso", "LoginGeoId"} & set(
            query.text.replace(",", "").split()
        )


@pytest.mark.parametrize(
    ("login_type", "subtype", "application", "kind"),
    [
        ("Application", None, "Browser", LoginKind.UI),
        ("SAML Sfdc Initiated SSO", None, "Browser", LoginKind.SSO),
        ("saml2", "", "", LoginKind.SSO),
        ("Remote Access 2.0", "OauthRefreshToken", "Salesforce for iOS", LoginKind.APP),
        ("Oauth2", "OauthHybridRefreshToken", "Salesforce for Android", LoginKind.APP),
        ("Oauth2", "OauthClientCredentials", "Salesforce for iOS", LoginKind.MACHINE),
        ("Oauth2", "OauthWebServer", "MuleSoft", LoginKind.SEEDED),
        ("Oauth2", "OauthWebServer", "Data Loader", LoginKind.TOOL),
        ("Oauth2", None, "Unheard Of", LoginKind.SEEDED),
        ("Oauth2", "OauthTelepathy", "Unheard Of", LoginKind.UNKNOWN),
        ("OtherApi", None, "", LoginKind.API),
        ("Certificate", None, "Browser", LoginKind.UI),
        ("Certificate-based login", None, "svc", LoginKind.MACHINE),
        ("SysAdmin Switch", None, "Browser", LoginKind.SYSTEM),
        ("Application", "UiPasswordReset", "Browser", LoginKind.WEAK),
        ("Telepathy", None, "", LoginKind.UNKNOWN),
        (None, None, None, LoginKind.UNKNOWN),
    ],
)
def test_what_a_login_says_about_a_person(
    login_type: str | None, subtype: str | None, application: str | None, kind: LoginKind
) -> None:
    assert kind_of(login_type, subtype, application) is kind


def test_an_unknown_kind_counts_as_a_person() -> None:
    assert LoginKind.UNKNOWN.human
    assert not any(kind.human and kind.machine for kind in LoginKind)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("Success", Outcome.SUCCESS),
        ("success ", Outcome.SUCCESS),
        ("Invalid Password", Outcome.FAILURE),
        ("Failed: Computer activation required", Outcome.FAILURE),
        ("Restricted IP", Outcome.FAILURE),
        ("User is Inactive", Outcome.FAILURE),
        ("Password Lockout", Outcome.FAILURE),
        ("Erfolg", Outcome.UNKNOWN),
        (None, Outcome.UNKNOWN),
    ],
)
def test_only_success_succeeds_and_the_unknown_is_neither(status: str | None, outcome: Outcome) -> None:
    assert outcome_of(status) is outcome


@given(
    st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2026, 6, 1)),  # noqa: DTZ001
    st.integers(1, 200 * 86400),
)
def test_blocks_are_disjoint_and_leave_nothing_out(since: datetime, seconds: int) -> None:
    start = since.replace(tzinfo=UTC, microsecond=0)
    end = start + timedelta(seconds=seconds)
    cut = list(blocks(start, end))
    assert cut[0].since == start
    assert cut[-1].until == end
    assert all(a.until == b.since for a, b in pairwise(cut))
    assert all(w.since < w.until <= w.since + timedelta(days=7) for w in cut)


class History:
    """A login history that answers like Salesforce: no second page, an error or a full page beyond 2,000 groups."""

    def __init__(self, times: list[tuple[datetime, str]], *, lies: int = 0) -> None:
        self.times = times
        self.calls = 0
        self.lies = lies

    async def count(self, since: datetime, until: datetime) -> list[CountRecord]:
        number = sum(1 for at, _ in self.times if since <= at < until)
        self.lies -= 1
        return [CountRecord(number + (1 if self.lies >= 0 else 0))]

    async def groups(self, since: datetime, until: datetime) -> list[LoginGroupRecord]:
        self.calls += 1
        users: dict[str, list[datetime]] = {}
        for at, user in self.times:
            if since <= at < until:
                users.setdefault(user, []).append(at)
        groups = [
            LoginGroupRecord(len(t), min(t).isoformat(), max(t).isoformat(), user, "Application", "Success", "Browser")
            for user, t in users.items()
        ]
        return groups[:GROUPS_MAX]

    def read(self, window: Window) -> list[Block]:
        async def gather() -> list[Block]:
            return [block async for block in read_blocks(window, self.count, self.groups, Pace())]

        return asyncio.run(gather())


DAY = Window(datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 2, tzinfo=UTC))


def test_five_thousand_users_on_one_day_are_counted_completely() -> None:  # peer defect 5
    times = [(DAY.since + timedelta(seconds=7 * i % 86400), f"u{i % 5000}") for i in range(20_000)]
    history = History(times)
    (block,) = history.read(DAY)
    counts: Counter[str] = Counter()
    for row in rows_of(block):
        counts[row.user] += row.count
    assert len(counts) == 5000
    assert set(counts.values()) == {4}
    assert history.calls < 40


def test_two_thousand_groups_exactly_are_not_trusted() -> None:
    history = History([(DAY.since + timedelta(seconds=i), f"u{i}") for i in range(GROUPS_MAX)])
    (block,) = history.read(DAY)
    assert len(rows_of(block)) == GROUPS_MAX
    assert history.calls > 1


def test_rows_wait_packed_in_messages_that_fit() -> None:
    at = DAY.since + timedelta(hours=1)
    history = History([(at + timedelta(seconds=i), f"005{i:015}") for i in range(3 * ROWS_PACKED)])
    (block,) = history.read(DAY)
    assert not block.rows
    assert len(block.packed) >= 3
    assert max(map(len, block.packed)) < CHUNK_BYTES_MAX


def test_a_day_without_logins_costs_no_grouped_query() -> None:
    history = History([])
    history.read(DAY)
    assert history.calls == 0


def test_a_large_day_is_read_in_pieces_whose_last_one_is_not_counted() -> None:
    logins = 2 * BLOCK_LOGINS_MAX
    history = History([(DAY.since + timedelta(seconds=i * 86_400 // logins), f"u{i % 50}") for i in range(logins)])
    counted: list[Window] = []
    count = history.count

    async def noted(since: datetime, until: datetime) -> list[CountRecord]:
        counted.append(Window(since, until))
        return await count(since, until)

    history.count = noted
    pieces = history.read(DAY)
    assert len(pieces) == 3
    assert all(a.window.until == b.window.since for a, b in pairwise(pieces))
    assert sum(piece.logins for piece in pieces) == logins
    assert all(piece.logins <= BLOCK_LOGINS_MAX for piece in pieces)
    assert counted == [DAY, *(piece.window for piece in pieces[:-1])]


def test_a_count_that_differs_once_is_read_again_and_thrice_is_refused() -> None:
    times = [(DAY.since + timedelta(hours=1), "u")]
    assert History(times, lies=1).read(DAY)[0].logins == 1
    with pytest.raises(CollectFailed) as refused:
        History(times, lies=9).read(DAY)
    assert refused.value.reason is CollectFailure.LOGIN_COUNT_DIFFERS


def test_more_users_in_two_seconds_than_one_answer_shows_is_refused() -> None:
    history = History([(DAY.since, f"u{i}") for i in range(GROUPS_MAX + 1)])
    with pytest.raises(CollectFailed) as refused:
        history.read(DAY)
    assert refused.value.reason is CollectFailure.WINDOW_TOO_DENSE


def test_fields_that_no_record_names_are_dropped() -> None:  # acceptance test A6
    answer = (
        b'{"attributes":{"type":"User"},"Id":"005","IsActive":true,"CreatedDate":"2026-01-01T00:00:00.000+0000",'
        b'"SecretField__c":"canary","Profile":{"Name":"p","UserLicenseId":"100","Extra":"canary",'
        b'"UserLicense":{"LicenseDefinitionKey":"SFDC","Price":"canary"}}}'
    )
    row = msgspec.json.decode(answer, type=UserRecord).row()
    assert row.license_key == "SFDC"
    assert b"canary" not in msgspec.json.encode(row)


def test_a_user_without_profile_holds_no_seat() -> None:
    row = msgspec.json.decode(
        b'{"Id":"005","IsActive":true,"CreatedDate":"2026-01-01T00:00:00.000+0000","Profile":null}', type=UserRecord
    ).row()
    assert row.license is None


def test_instants_are_read_in_utc() -> None:
    assert instant("2026-05-01T10:00:00.000+0200") == datetime(2026, 5, 1, 8, tzinfo=UTC)


def test_a_job_survives_the_way_into_the_mover() -> None:
    job = AuditJob([], END)
    assert msgspec.json.decode(msgspec.json.encode(job), type=AuditJob) == job
    assert START < END
