"""Schedules of audits by command and over the portal's JSON, on a whole installation; Ctrl-C of an audit."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import psycopg
import pytest

from isthmus.config import read_settings
from isthmus.db.address import DATABASE_NAME, owner_arguments
from tests.adversarial.test_web import SOME_ID, Answer, Client, member, product
from tests.support.commands import ISTHMUS, Said, bare_environ, org_environ
from tests.support.orgsim import start_orgsim
from tests.support.portal import Product

__all__ = ["member", "product"]

WAIT_S = 60


@pytest.fixture(scope="module")
def connection(product: Product) -> str:
    """An org that is connected for audits, as far as the database knows."""
    org, made = uuid4(), uuid4()

    async def plant() -> None:
        arguments = {**owner_arguments(read_settings(product.environ)), "dbname": DATABASE_NAME}
        async with await psycopg.AsyncConnection.connect(**arguments) as database:
            await database.execute(
                "insert into orgs.org (tenant_id, id, alias, salesforce_org_id, instance_origin)"
                " select tenant_id, %s, 'prod', '00D000000000001AAA', 'https://acme.my.salesforce.com'"
                " from accounts.tenant",
                (org,),
            )
            await database.execute(
                "insert into orgs.connection (tenant_id, id, org_id, purpose, state, login_origin, client_id,"
                " salesforce_user_id, username, scopes) select tenant_id, %s, id, 'audit', 'active', instance_origin,"
                " 'client', '005000000000001AAA', 'integration@acme.example', 'api refresh_token' from orgs.org",
                (made,),
            )

    asyncio.run(plant())
    return str(made)


def command(product: Product, *arguments: str) -> Said:
    done = product.command("audit", "schedule", *arguments)
    return Said(done.returncode, done.stdout, done.stderr)


def post(client: Client, connection: str, body: object) -> Answer:
    token = json.loads(client.send("GET", "/api/v1/session").text)["csrf"]
    headers = {"Content_Type": "application/json", "Origin": client.product.url, "X_CSRF_Token": token}
    return client.send("POST", f"/api/v1/audit-schedule/{connection}", json.dumps(body), **headers)


def test_a_schedule_is_chosen_by_command_shown_and_changed_over_json(
    product: Product, member: Client, connection: str
) -> None:
    usual = command(product, "prod").out
    assert "prod is audited weekly on Monday at 06:00 (UTC) (as usual: nobody has chosen)." in usual
    assert "The first one is yours to begin: isthmus audit run --org prod" in usual
    assert "kept for 400 days" in usual
    chosen = command(product, "prod", "--weekly", "friday", "--at", "05:30", "--zone", "Europe/Berlin", "--json").json
    assert (chosen["chosen"], chosen["weekday"], chosen["at"]) == (True, "friday", "05:30")
    shown: dict[str, Any] = json.loads(member.send("GET", f"/api/v1/audit-schedule/{connection}").text)
    assert shown == chosen
    changed = json.loads(post(member, connection, {"cadence": "monthly", "day": 31, "keep_days": "forever"}).text)
    assert changed["text"] == "monthly on day 31 at 05:30 (Europe/Berlin)"
    off = command(product, "prod", "--off").out
    assert "prod is audited only when somebody asks." in off
    assert "kept for ever" in off


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"zone": "Europe/Atlantis"}, 422, "IANA"),
        ({"weekday": "someday"}, 422, "monday"),
        ({"at": "25:00"}, 422, "HH:MM"),
        ({"keep_days": 0}, 400, ""),
        ({"day": 32}, 400, ""),
        ({"cadence": "hourly"}, 400, ""),
        ({"surprise": 1}, 400, ""),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused_saying_why(
    member: Client, connection: str, body: object, status: int, says: str
) -> None:
    answer = post(member, connection, body)
    assert answer.status == status, answer.text
    assert says in answer.text


def test_an_org_that_is_not_connected_has_no_schedule(product: Product, member: Client) -> None:
    assert member.send("GET", f"/api/v1/audit-schedule/{SOME_ID}").status == 404
    assert post(member, SOME_ID, {}).status == 404
    assert "isthmus org connect nobody" in command(product, "nobody", "--json").refusal()
    assert "exclude each other" in command(product, "prod", "--daily", "--off", "--json").refusal()


def test_ctrl_c_of_an_audit_leaves_the_documents_of_the_one_before_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "bundle").mkdir(parents=True)
    former = {out / "report.pdf": b"former", out / "bundle" / "manifest.json": b"{}"}
    for file, content in former.items():
        file.write_bytes(content)
    with start_orgsim(name="acme") as org:
        org.control("POST", "/faults", {"path": ".", "delay_s": 20})
        process = subprocess.Popen(
            [ISTHMUS, "audit", "run", "--org", "acme", "--out", str(out), "--json"],
            env={**bare_environ(tmp_path), **org_environ("acme", org)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            movers = _movers(process.pid)
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=WAIT_S)
        finally:
            process.kill()
    assert "Stopped" in Said(process.returncode, *said).refusal()
    assert psutil.wait_procs(movers, timeout=WAIT_S)[1] == []
    assert {file: file.read_bytes() for file in out.rglob("*") if file.is_file()} == former


def _movers(pid: int) -> list[psutil.Process]:
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        found = [c for c in psutil.Process(pid).children() if "isthmus.worker.mover" in " ".join(c.cmdline())]
        if found:
            return found
        time.sleep(0.05)
    pytest.fail("the audit started no mover")
