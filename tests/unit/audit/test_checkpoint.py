"""What is kept of an unfinished reading, what is gone on from, and what is not."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.audit.collecting.checkpoint import (
    AGE_MAX,
    CHANGING,
    PIECE_BYTES_MAX,
    SHARE_MAX,
    CheckpointFile,
    Header,
    checkpoint_of,
    due_next_s,
    packed,
    restored,
    unpacked,
)
from isthmus.audit.collecting.folder_shelf import FolderShelf, ShelfRefused
from isthmus.audit.collecting.history import same_sight, windows_left
from isthmus.audit.failures import ON_THE_WAY, Failure, goes_on
from isthmus.audit.login_table import LoginTable
from isthmus.audit.model import (
    CollectedMessage,
    LicenseRow,
    LicensesMessage,
    LoginKind,
    LoginRow,
    LoginsMessage,
    RequestLine,
    Resume,
    SoFar,
    StartedMessage,
    UnknownWordMessage,
    UserRow,
    UsersMessage,
    Vocabulary,
    Window,
    WindowMessage,
    WindowRead,
)
from isthmus.audit.snapshot import SnapshotBuilder, joined

HOST: Final = "acme.my.salesforce.com"
NOW: Final = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
START: Final = NOW - timedelta(days=180)
Saved = dict[CheckpointFile, tuple[bytes, ...]]


def login(user: str, days_ago: int, kind: LoginKind = LoginKind.UI, *, success: bool = True) -> LoginRow:
    at = NOW - timedelta(days=days_ago)
    return LoginRow(user, at.date(), kind, success, 3, at - timedelta(hours=2), at)


def half_read() -> SnapshotBuilder:
    """A reading whose oldest month of logins is whole."""
    builder = SnapshotBuilder(HOST)
    builder.take(StartedMessage(NOW))
    builder.take(LicensesMessage((LicenseRow("100", "Salesforce", "Salesforce", "SFDC", "Active", 10, 3),)))
    users = (
        UserRow(f"005{i}", f"u{i}@acme.test", f"Zoë {i}", f"u{i}@acme.test", True, "Standard", START) for i in (1, 2)
    )
    builder.take(UsersMessage(tuple(users)))
    builder.take(
        LoginsMessage((login("0051", 170), login("0051", 160), login("0052", 155, LoginKind.API, success=False)))
    )
    builder.take(UnknownWordMessage(Vocabulary.LOGIN_TYPE, "Telepathy", 7))
    so_far = SoFar(START, 9, ("older logins",), (RequestLine("logins", "SELECT …", 4, 3),), 12, 90)
    builder.take(WindowMessage(WindowRead(Window(START, START + timedelta(days=30)), 9), so_far))
    return builder


def saved(builder: SnapshotBuilder, at: datetime = NOW) -> Saved:
    resume = builder.resume()
    assert resume is not None
    files = checkpoint_of(builder.host, builder.rows, resume, at)
    return {name: tuple(pieces) for name, pieces in files.items()}


def completed(builder: SnapshotBuilder) -> object:
    """What the reading comes to with one more login."""
    builder.take(LoginsMessage((login("0051", 2), login("0052", 1))))
    builder.take(CollectedMessage(START, 15, (), (), 20, 90, 1))
    snapshot = builder.finish()
    return snapshot.reading, snapshot.licenses, snapshot.users, list(snapshot.logins.rows())


def test_a_reading_that_was_kept_comes_to_the_same_as_one_that_was_not_interrupted() -> None:
    again = restored(saved(half_read()), HOST, None, NOW)
    assert again is not None
    assert again.resume() == half_read().resume()
    assert completed(again) == completed(half_read())


def test_there_is_nothing_to_go_on_from_before_a_window_is_whole() -> None:
    builder = SnapshotBuilder(HOST)
    assert builder.resume() is None
    builder.take(StartedMessage(NOW))
    builder.take(LoginsMessage((login("0051", 2),)))
    assert builder.resume() is None


@pytest.mark.parametrize(
    ("host", "as_of", "now"),
    [
        ("other.my.salesforce.com", None, NOW),
        (HOST, NOW - timedelta(days=1), NOW),
        (HOST, None, NOW + AGE_MAX + timedelta(seconds=1)),
    ],
)
def test_the_reading_of_another_org_another_instant_or_another_day_is_not_gone_on_from(
    host: str, as_of: datetime | None, now: datetime
) -> None:
    assert restored(saved(half_read()), HOST, NOW, NOW + AGE_MAX) is not None
    assert restored(saved(half_read()), host, as_of, now) is None


def changed(header: Callable[[Header], Header]) -> Saved:
    files = saved(half_read())
    content = b"".join(unpacked(files[CheckpointFile.READING]))
    files[CheckpointFile.READING] = tuple(
        packed([msgspec.json.encode(header(msgspec.json.decode(content, type=Header)))])
    )
    return files


def test_the_checkpoint_of_another_version_or_another_machine_is_not_gone_on_from() -> None:
    assert restored(changed(lambda header: header), HOST, None, NOW) is not None
    newer = changed(lambda header: msgspec.structs.replace(header, format=header.format + 1))
    elsewhere = changed(lambda header: msgspec.structs.replace(header, machine="big 4"))
    assert restored(newer, HOST, None, NOW) is None
    assert restored(elsewhere, HOST, None, NOW) is None


@pytest.mark.parametrize("name", list(CheckpointFile))
def test_a_checkpoint_that_is_damaged_or_not_whole_is_not_gone_on_from(name: CheckpointFile) -> None:
    files = saved(half_read())
    missing = {other: pieces for other, pieces in files.items() if other is not name}
    assert restored(missing, HOST, None, NOW) is None
    content = b"".join(files[name])
    for place in range(len(content)):
        spoilt = content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]
        taken = restored({**files, name: (spoilt,)}, HOST, None, NOW)
        assert taken is None or taken.resume() == half_read().resume(), place  # a header byte of zlib may mean nothing
        assert restored({**files, name: (content[:place],)}, HOST, None, NOW) is None


def test_a_table_of_logins_is_the_same_after_its_way_through_a_file_and_cut_short_it_is_refused() -> None:
    table = half_read().rows.logins
    dumped = b"".join(table.dump())
    assert list(LoginTable.load(dumped).rows()) == list(table.rows())
    assert list(LoginTable.load(b"".join(LoginTable().dump())).rows()) == []
    for end in range(len(dumped)):
        with pytest.raises(ValueError):
            LoginTable.load(dumped[:end])
    again = LoginTable.load(dumped)
    again.add(login("0051", 1), 1)
    assert sum(row.count for row in again.rows()) == sum(row.count for row in table.rows()) + 3


@given(st.lists(st.binary(max_size=50)))
def test_what_is_packed_comes_out_again(parts: list[bytes]) -> None:
    assert b"".join(unpacked(packed(parts))) == b"".join(parts)


def test_pieces_are_small_and_the_last_one_is_missed() -> None:
    noise = b"".join(zlib.crc32(i.to_bytes(8, "little")).to_bytes(4, "little") for i in range(900_000))
    pieces = list(packed([noise]))
    assert max(map(len, pieces)) <= PIECE_BYTES_MAX
    assert b"".join(unpacked(pieces)) == noise
    with pytest.raises(ValueError, match="the end is missing"):
        list(unpacked(pieces[:-1]))


cuts = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 10)), max_size=12)


@given(cuts)
def test_the_windows_that_are_left_and_those_that_are_done_are_the_whole_history_once(
    done: list[tuple[int, int]],
) -> None:
    whole = Window(NOW, NOW + timedelta(hours=60))
    windows = [Window(NOW + timedelta(hours=at), NOW + timedelta(hours=at + length)) for at, length in done]
    left = list(windows_left(whole, joined(windows)))
    hours = [NOW + timedelta(hours=hour) for hour in range(60)]

    def holding(spans: list[Window]) -> list[datetime]:
        return [hour for hour in hours for span in spans if span.since <= hour < span.until]

    assert sorted(holding(left) + holding(joined(windows))) == hours
    assert all(a.until < b.since for a, b in zip(joined(windows), joined(windows)[1:], strict=False))


def test_the_newest_window_with_logins_is_what_the_user_is_asked_about_again() -> None:
    builder = half_read()
    first, empty, older = (
        WindowRead(Window(START + timedelta(days=day), START + timedelta(days=day + 1)), logins)
        for day, logins in ((40, 5), (50, 0), (35, 7))
    )
    so_far = SoFar(START, 9, (), (), 12)
    for read in (first, empty, older):
        builder.take(WindowMessage(read, so_far))
    resume = builder.resume()
    assert resume is not None
    assert resume.newest == first


@pytest.mark.parametrize(
    ("then", "now", "same"),
    [
        (9, 9, True),
        (9, 8, False),
        (9, 19, True),
        (9, 20, False),
        (5_000, 5_050, True),
        (5_000, 5_051, False),
        (5_000, 1, False),
    ],
)
def test_a_user_who_sees_other_logins_than_before_is_known_by_their_number(then: int, now: int, same: bool) -> None:
    assert same_sight(then, now) is same


def test_keeping_takes_a_small_part_of_the_time() -> None:
    assert due_next_s(100.0, 100.1, 10.0) == pytest.approx(110.1)
    assert due_next_s(100.0, 103.0, 10.0) == pytest.approx(103.0 + 3.0 * SHARE_MAX)


def test_another_attempt_follows_only_where_the_way_broke_off_and_something_more_was_read() -> None:
    assert frozenset({Failure.MOVER_STOPPED, Failure.UNREACHABLE}) == ON_THE_WAY
    for failure in Failure:
        assert goes_on(failure, kept=True, attempt=4, attempts_max=5) is (failure in ON_THE_WAY)
        assert not goes_on(failure, kept=False, attempt=1, attempts_max=5)
        assert not goes_on(failure, kept=True, attempt=5, attempts_max=5)


def loaded(shelf: FolderShelf) -> Mapping[CheckpointFile, tuple[bytes, ...]]:
    return {name: tuple(pieces) for name, pieces in asyncio.run(shelf.load()).items()}


def test_a_folder_keeps_the_newest_files_for_its_owner_only_until_it_is_dropped(tmp_path: Path) -> None:
    shelf, files = FolderShelf(tmp_path / "unfinished"), saved(half_read())
    assert loaded(shelf) == {}
    asyncio.run(shelf.save(files))
    assert loaded(shelf) == files
    newer: Saved = dict.fromkeys(CHANGING, (b"newer", b"still"))
    asyncio.run(shelf.save(newer))
    assert loaded(shelf) == {**files, **newer}
    assert shelf.folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in shelf.folder.iterdir()} == {0o600}
    assert [path.name for path in tmp_path.iterdir()] == ["unfinished"]
    shelf.drop()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_left_half_written_holds_the_former_checkpoint(tmp_path: Path) -> None:
    shelf, files = FolderShelf(tmp_path / "unfinished"), saved(half_read())
    asyncio.run(shelf.save(files))

    def torn() -> Iterator[bytes]:
        yield b"newer"
        message = "killed here"
        raise KeyboardInterrupt(message)

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(shelf.save({CheckpointFile.LOGINS: torn()}))
    assert loaded(shelf) == files
    asyncio.run(shelf.save(files))
    assert [path.name for path in tmp_path.iterdir()] == ["unfinished"]


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "unfinished.next").write_text("a file lies in the way")
    with pytest.raises(ShelfRefused, match=r"unfinished cannot be used .* name another folder"):
        asyncio.run(FolderShelf(tmp_path / "unfinished").save(saved(half_read())))


def test_a_resume_point_survives_the_way_into_the_mover() -> None:
    resume = half_read().resume()
    assert msgspec.json.decode(msgspec.json.encode(resume), type=Resume) == resume
    assert date(2026, 11, 22) == NOW.date()
