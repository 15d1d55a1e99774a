"""The canary sweep: no value and no id of a record is anywhere on disk after runs with row errors and a kill -9.

Every text field of the source carries one token that exists nowhere else. Searched: the database's files and its
write-ahead log, the logs, and every temporary file that came into being. A second test plants the token in each place
and demands that the same search finds it, or the first would prove nothing.
"""

from __future__ import annotations

import os
import secrets
import signal
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from isthmus.sync import definitions
from isthmus.sync.model import RunState
from tests.support.copying import Pair, two_orgs
from tests.support.postgres import Cluster, FreshDatabase
from tests.support.working import installation, until

FILE_BYTES_MAX = 256 * 1024 * 1024
BEGINNING = 8


def files_below(folders: Iterable[Path], since: float) -> Iterator[Path]:
    """Yield regular files that changed after `since`."""
    for folder in folders:
        for place, _, names in os.walk(folder, onerror=None):
            for name in names:
                path = Path(place, name)
                try:
                    if path.is_file() and not path.is_symlink() and path.stat().st_mtime >= since - 1:
                        yield path
                except OSError:
                    continue


def sweep(folders: Iterable[Path], needles: Iterable[str], since: float) -> set[tuple[str, str]]:
    """Return (folder-relative file, needle) for each needle found, as UTF-8 or UTF-16.

    A file is searched for a needle only if it has the needle's beginning, which all ids of one object of one org share:
    a thousand ids in hundreds of megabytes are a handful of searches, and no needle is missed.
    """
    alike: dict[tuple[bytes, str], list[str]] = {}
    for needle in needles:
        for code in ("utf-8", "utf-16-le"):
            alike.setdefault((needle[:BEGINNING].encode(code), code), []).append(needle)
    found: set[tuple[str, str]] = set()
    for path in files_below(folders, since):
        try:
            content = path.read_bytes()[:FILE_BYTES_MAX]
        except OSError:
            continue
        for (beginning, code), whole in alike.items():
            if beginning in content:
                found.update((path.name, needle) for needle in whole if needle.encode(code) in content)
    return found


async def flushed(database: FreshDatabase) -> None:
    connection = await database.superuser()
    await connection.execute("checkpoint")


def plant(pair: Pair, canary: str) -> list[str]:
    """Give every record the canary in each text field; return the ids of all records."""
    parents = pair.source.add_rows(
        "Account",
        [
            {
                "Name": f"{canary} account {n}",
                "Description": f"first line\n{canary}",
                "BillingCity": canary,
                "Phone": f"+{canary}",
                "Website": f"https://{canary}.example",
            }
            for n in range(30)
        ],
    )
    people = pair.source.add_rows(
        "Contact",
        [
            {
                "LastName": f"{canary} person {n}",
                "FirstName": canary,
                "Email": f"{canary}{n}@example.com",
                "Description": canary,
                "AccountId": parents[n % 30],
            }
            for n in range(400)
        ],
    )
    return [*parents, *people]


async def test_no_value_and_no_id_of_a_record_reaches_the_disk(
    cluster: Cluster, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    canary = f"cnry{secrets.token_hex(8)}"
    since = tmp_path.stat().st_mtime
    with two_orgs(tmp_path) as pair:
        ids = plant(pair, canary)
        refuse = {
            "object": "Contact",
            "where": {"LastName": f"{canary} person 7"},
            "row_error": {"code": "DUPLICATE_VALUE", "message": f"duplicates {canary}: {ids[0]}", "fields": ["Email"]},
        }
        pair.target.control("POST", "/faults", refuse)
        text = "version: 1\nname: sweep\nsteps: [{object: Account}, {object: Contact}]\n"
        async with installation(fresh_database, pair) as product:
            first = await product.start_worker_process()
            second = None
            try:
                sync = await product.save(text)
                await product.activate(sync)
                pair.target.control("POST", "/faults", {"path": "/composite/sobjects", "delay_s": 0.5})
                async with product.transaction() as tx:
                    run = await definitions.request_run(tx, sync)

                async def writing() -> bool:
                    return (await product.detail(run)).run.rows_written > 0

                await until(writing)
                os.kill(first.pid, signal.SIGKILL)
                await first.wait()
                second = await product.start_worker_process()
                detail = await product.ended(run)
            finally:
                for process in (first, second):
                    if process is not None and process.returncode is None:
                        process.terminate()
                        await process.wait()
        assert detail.run.state is RunState.PARTIAL
        assert [(o.code, o.field, o.rows) for o in detail.outcomes] == [("DUPLICATE_VALUE", "Email", 1)]
        copied = [row["Id"] for name in ("Account", "Contact") for row in pair.target.rows(name)]
        assert len(copied) == len(ids) - 1
        await flushed(fresh_database)
        home = cluster.settings.home
        needles = [canary, *ids, *(i[:15] for i in ids), *copied]
        assert sweep([home, cluster.settings.secrets_dir, tmp_path], needles, since) == set()
        assert sweep([Path(tempfile.gettempdir())], [canary], since) == set()


async def test_the_sweep_finds_a_canary_wherever_one_is_planted(
    cluster: Cluster, fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    canary = f"cnry{secrets.token_hex(8)}"
    since = tmp_path.stat().st_mtime
    connection = await fresh_database.superuser()
    await connection.execute("create table public.leak (value text)")
    await connection.execute("insert into public.leak values (%s)", (f"x{canary}y",))
    await flushed(fresh_database)
    data = sweep([cluster.settings.data_dir / "base"], [canary], since)
    assert data, "the sweep does not see a table"
    assert sweep([cluster.settings.data_dir / "pg_wal"], [canary], since), "the sweep does not see the WAL"
    cluster.settings.log_dir.mkdir(parents=True, exist_ok=True)
    log = cluster.settings.log_dir / "leak.log"
    log.write_text(f"value={canary}")
    assert sweep([cluster.settings.log_dir], [canary], since) == {("leak.log", canary)}
    alike = [canary[:-1] + last for last in "ghijk"]
    log.write_bytes(alike[3].encode() + b"|" + alike[1].encode("utf-16-le"))
    assert sweep([cluster.settings.log_dir], alike, since) == {("leak.log", alike[3]), ("leak.log", alike[1])}
    log.unlink()
    with tempfile.NamedTemporaryFile("w", suffix=".leak") as temporary:
        temporary.write(canary)
        temporary.flush()
        assert sweep([Path(tempfile.gettempdir())], [canary], since) >= {(Path(temporary.name).name, canary)}
