"""Settings and schedules of audits over the portal's JSON and by command: refused with line and remedy."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString
from uuid import uuid4

import msgspec
import psycopg
import pytest

from isthmus.audit.given.options import AuditOptions
from isthmus.audit.judge import judge
from isthmus.config import read_settings
from isthmus.db.address import DATABASE_NAME, owner_arguments
from tests.adversarial.test_web import SOME_ID, Answer, Client, member, product
from tests.support.commands import Said
from tests.support.portal import Product
from tests.unit.audit.world import example

__all__ = ["member", "product"]

PATH = f"/api/v1/audit-settings/{SOME_ID}"
SCHEDULES = "/api/v1/audit-schedule"


def send(client: Client, body: object, path: str = PATH) -> Answer:
    token = json.loads(client.send("GET", "/api/v1/session").text)["csrf"]
    return client.send(
        "POST", path, json.dumps(body), Content_Type="application/json", Origin=client.product.url, X_CSRF_Token=token
    )


def test_a_connection_that_this_member_has_not_has_no_settings(member: Client) -> None:
    answer = member.send("GET", PATH)
    assert (answer.status, json.loads(answer.text)["error"]["title"]) == (404, "Connection not found")


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"thresholds": "inactive_days = 1"}, 422, "inactive_days"),
        ({"prices": "product,price\nSFDC,1\n"}, 422, "currency"),
        ({"surprise": "x"}, 400, ""),
        ({"prices": "product,price,currency\nSFDC,1,USD\n"}, 404, "Connection"),
    ],
)
def test_what_cannot_be_used_is_refused_saying_why(member: Client, body: object, status: int, says: str) -> None:
    answer = send(member, body)
    assert answer.status == status, answer.text
    assert says in answer.text


@pytest.fixture(scope="module")
def connection(product: Product) -> str:
    """An org that is connected for audits, as far as the database knows."""
    org, made = str(uuid4()), str(uuid4())
    planted(
        product,
        "insert into orgs.org (tenant_id, id, alias, salesforce_org_id, instance_origin)"
        " select tenant_id, %s, 'prod', '00D000000000001AAA', 'https://acme.my.salesforce.com' from accounts.tenant",
        org,
    )
    planted(
        product,
        "insert into orgs.connection (tenant_id, id, org_id, purpose, state, login_origin, client_id,"
        " salesforce_user_id, username, scopes) select tenant_id, %s, id, 'audit', 'active', instance_origin,"
        " 'client', '005000000000001AAA', 'integration@acme.example', 'api refresh_token' from orgs.org",
        made,
    )
    return made


def planted(product: Product, statement: LiteralString, value: str) -> None:
    """Run one statement of a superuser in the product's database."""
    arguments = {**owner_arguments(read_settings(product.environ)), "dbname": DATABASE_NAME}
    with psycopg.connect(**arguments) as database:
        database.execute(statement, (value,))


def command(product: Product, *arguments: str) -> Said:
    done = product.command("audit", "schedule", *arguments)
    return Said(done.returncode, done.stdout, done.stderr)


def test_a_schedule_is_chosen_by_command_shown_and_changed_over_json(
    product: Product, member: Client, connection: str
) -> None:
    usual = command(product, "prod").out
    assert "prod is audited weekly on Monday at 06:00 (UTC) (as usual: nobody has chosen)." in usual
    assert "The first one is yours to begin: isthmus audit run --org prod" in usual
    assert "kept for 400 days" in usual
    chosen = command(product, "prod", "--weekly", "friday", "--at", "05:30", "--zone", "Europe/Berlin", "--json").json
    assert (chosen["chosen"], chosen["weekday"], chosen["at"]) == (True, "friday", "05:30")
    shown: dict[str, Any] = json.loads(member.send("GET", f"{SCHEDULES}/{connection}").text)
    assert shown == chosen
    changed = json.loads(
        send(member, {"cadence": "monthly", "day": 31, "keep_days": "forever"}, f"{SCHEDULES}/{connection}").text
    )
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
    answer = send(member, body, f"{SCHEDULES}/{connection}")
    assert answer.status == status, answer.text
    assert says in answer.text


def test_an_audit_whose_names_were_removed_says_so_and_why(product: Product, member: Client, connection: str) -> None:
    audit = str(uuid4())
    made = "insert into audit.audit (tenant_id, id, connection_id, state, taken_at, removed_at)"
    planted(product, made + " select tenant_id, %s, id, 'done', now(), now() from orgs.connection", audit)
    page = member.send("GET", f"/audits/{audit}")
    assert page.status == 200
    assert "The documents and names of this audit were removed." in page.text
    assert json.loads(member.send("GET", f"/api/v1/audits/{audit}").text)["report"] is None


def test_an_org_that_is_not_connected_has_no_schedule(product: Product, member: Client) -> None:
    assert member.send("GET", f"{SCHEDULES}/{SOME_ID}").status == 404
    assert send(member, {}, f"{SCHEDULES}/{SOME_ID}").status == 404
    assert "isthmus org connect nobody" in command(product, "nobody", "--json").refusal()
    assert "exclude each other" in command(product, "prod", "--daily", "--off", "--json").refusal()


def test_a_finding_is_put_off_by_command_listed_and_taken_back(product: Product, connection: str) -> None:
    def said(*arguments: str) -> Said:
        done = product.command("audit", *arguments)
        return Said(done.returncode, done.stdout, done.stderr)

    later = ("--until", "2200-01-01", "--reason", "on parental leave")
    assert "No finished audit of 'nowhere'" in said("snooze", "nowhere", "1", *later).err
    line = next(f for f in judge(example().snapshot(), AuditOptions(), "prod").report.findings if f.rule == "R08")
    planted(
        product,
        "insert into audit.audit (tenant_id, connection_id, state, taken_at) select tenant_id, id, 'done', now()"
        " from orgs.connection where id = %s",
        connection,
    )
    planted(
        product,
        "insert into audit.finding (tenant_id, audit_id, ordinal, rule, grade, severity, subject_id, pool, search_text,"
        " line) select a.tenant_id, a.id, 1, 'R08', 'A', 'critical', l.line ->> 'subject_id', l.line ->> 'pool', '',"
        " l.line::text from audit.audit a, (select %s::jsonb as line) l on conflict do nothing",
        msgspec.json.encode(line).decode(),
    )
    assert "years away" in said("snooze", "prod", "1", *later).err
    later = ("--until", f"{datetime.now(UTC).date() + timedelta(days=30)}", "--reason", "on parental leave")
    assert "has no finding 2" in said("snooze", "prod", "2", *later).err
    made = said("snooze", "prod", "1", *later, "--json").json
    listed = said("snoozed", "--json").json
    assert [(s["id"], s["org"], s["rule"], s["subject"], s["over"]) for s in listed] == [
        (made["snooze"], "prod", "R08", line.subject, False)
    ]
    assert "on parental leave" in said("snoozed").out
    assert said("wake", made["snooze"]).status == 0
    assert said("snoozed", "--json").json == []
    assert "Nothing is put off" in said("wake", made["snooze"]).err
    assert [org["org"] for org in said("portfolio", "--json").json["orgs"]] == ["prod"]
