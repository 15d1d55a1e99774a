"""A sync as code, as a pipeline has it: real commands without a terminal and the portal's JSON, on a running product."""

from __future__ import annotations

import json
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from isthmus.sync.flow.shown import Decision, Decisions, Outcome, ShownPair, Side
from isthmus.sync.inspecting.viewing import Viewer
from tests.adversarial.test_web import Answer, Client, member, product
from tests.integration.sync.test_two_way_worker import person
from tests.support.commands import Said, run
from tests.support.orgsim import Orgsim, start_orgsim
from tests.support.portal import Product

__all__ = ["member", "product"]

WAIT_S = 60
TEXT = "version: 1\nname: As code\nsteps:\n- object: Account\n  fields: {Name: Name, Phone: Phone}\n"
BOTH = """
version: 1
name: Both
interval_s: 86400
direction: two-way
conflicts: hold
steps: [{object: Contact, fields: {LastName: LastName, Phone: Phone}}]
"""
PLACES = ("--from", "prod", "--to", "uat")


@pytest.fixture(scope="module")
def orgs(product: Product, member: Client) -> Iterator[tuple[Orgsim, Orgsim]]:
    callback = ("--redirect-uri", f"{product.url}/oauth/callback")
    with start_orgsim(name="prod", more=callback) as source, start_orgsim(name="uat", seed=2, more=callback) as target:
        for alias, org in (("prod", source), ("uat", target)):
            assert member.send("GET", member.begin(org, alias)).status in {200, 303}
        source.add_rows("Account", [{"Name": f"A{n}", "Phone": "1"} for n in range(5)])
        yield source, target


def ask(member: Client, path: str, body: object) -> Answer:
    token = json.loads(member.send("GET", "/api/v1/session").text)["csrf"]
    headers = {"Content_Type": "application/json", "Origin": member.product.url, "X_CSRF_Token": token}
    return member.send("POST", path, json.dumps(body), **headers)


def settled(member: Client, path: str, body: object) -> Any:
    """Ask until the worker has read what it must."""
    deadline = time.monotonic() + WAIT_S
    while (answer := ask(member, path, body)).status == 202:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


def test_plan_apply_export_and_compare_end_as_documented(
    product: Product, member: Client, orgs: tuple[Orgsim, Orgsim], tmp_path: Path
) -> None:
    file = tmp_path / "as-code.yaml"
    file.write_text(TEXT)

    def sync(*words: str) -> Said:
        return run("sync", *words, environ=product.environ)

    planned = sync("plan", str(file), *PLACES, "--json")
    assert planned.status == 1, planned.err
    assert (planned.json["sync"], planned.json["estimate"]["rows"]) == (None, 5)
    assert sync("list", "--json").json == []
    assert sync("apply", str(file), *PLACES, "--json").status == 0
    again = sync("plan", str(file), *PLACES, "--json")
    assert (again.status, again.json["changes"]) == (0, []), again.out
    (listed,) = sync("list", "--json").json
    assert all(listed["calls_beside_runs"].values()), listed
    exported = tmp_path / "exported.yaml"
    exported.write_text(sync("export", "As code").out)
    assert sync("plan", str(exported), *PLACES, "--no-count", "--json").status == 0
    file.write_text(TEXT.replace(", Phone: Phone", "") + "  where: Name LIKE 'A%'\n")
    changed = sync("plan", str(file), *PLACES, "--no-count", "--json")
    assert [(each["kind"], each["place"]) for each in changed.json["changes"]] == [
        ("added", "Account.where"),
        ("removed", "Account.fields.Phone"),
    ]
    assert changed.status == 1
    file.write_text(TEXT.replace("Phone: Phone", "Nope__c: Phone"))
    assert sync("plan", str(file), *PLACES, "--json").status == 2
    assert sync("compare", *PLACES, "--object", "Account", "--json").status in {0, 1}

    place = f"/api/v1/syncs/{listed['id']}"
    assert json.loads(member.send("GET", f"{place}/changes").text)["changes"] == []
    other = settled(member, f"{place}/changes", {"definition": TEXT.replace("Name: Name", "Name: =x")})
    assert [each["place"] for each in other["changes"]] == ["Account.fields.Name"]
    assert ask(member, f"{place}/estimate", {}).status == 202
    deadline = time.monotonic() + WAIT_S
    while not (found := json.loads(member.send("GET", f"{place}/estimate").text)["dry_run"])["estimate"]:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert found["estimate"]["source"]["allowed_per_day"] == 100_000
    (view,) = json.loads(member.send("GET", "/api/v1/syncs").text)["syncs"]
    sides = {"source": view["source_connection"], "target": view["target_connection"]}
    assert settled(member, "/api/v1/compare", {**sides, "objects": ["Account"]})["pairs"][0]["source"] == "Account"
    assert ask(member, "/api/v1/compare", {**sides, "objects": ["x y"]}).status == 400
    page = member.send("GET", f"/syncs/{listed['id']}").text
    assert "a first run would carry 5 rows" in page
    assert "API calls for the activation" in page
    assert "dry run" in page
    schema = json.loads(member.send("GET", "/api/v1/sync-schema").text)
    assert schema["title"] == "Isthmus sync, version 1"


def test_how_a_sync_stands_is_told_by_command_and_by_api(product: Product, member: Client, tmp_path: Path) -> None:
    def isthmus(*words: str, **environ: str) -> Said:
        return run(*words, environ={**product.environ, **environ})

    (listed,) = isthmus("sync", "list", "--json").json
    assert isthmus("sync", "run", "As code", "--json").status == 0
    shown = isthmus("sync", "show", "As code", "--json").json
    assert shown["outlook"]["schedule"] == "every 2 minutes"
    assert [org["alias"] for org in shown["outlook"]["orgs"]] == ["prod", "uat"]
    assert shown["outlook"]["orgs"][1]["forecast"]["allowed"] == 100_000
    assert "Next run: " in isthmus("sync", "show", "As code").out
    (latest, *_) = isthmus("sync", "runs", "As code", "--json").json
    assert isthmus("sync", "show", "As code", "--run", latest["id"], "--json").json["anomalies"] == []
    place = f"/api/v1/syncs/{listed['id']}"
    assert json.loads(member.send("GET", place).text)["outlook"]["zone"] == "UTC"
    assert json.loads(member.send("GET", "/api/v1/codes/duplicate_value").text)["code"] == "DUPLICATE_VALUE"
    assert member.send("GET", "/api/v1/codes/nonsense").status == 404
    assert isthmus("org", "budget", "uat", "--day", "60", "--own", "20", "--json").json["own_percent"] == 20
    assert "20 % by syncs" in isthmus("org", "budget", "uat").out
    assert "prod" not in isthmus("org", "budget", "nowhere", "--json").refusal()
    place = f"/api/v1/orgs/{json.loads(member.send('GET', place).text)['sync']['target_connection']}/budget"
    assert json.loads(ask(member, place, {"day_percent": 55}).text)["own_percent"] == 20
    assert json.loads(member.send("GET", place).text)["day_percent"] == 55
    assert ask(member, place, {"day_percent": 101}).status == 400


def test_held_conflicts_are_shown_and_decided_by_api_and_by_command(
    product: Product, member: Client, orgs: tuple[Orgsim, Orgsim], tmp_path: Path
) -> None:
    def sync(*words: str, stdin: str = "") -> Said:
        return run("sync", *words, environ=product.environ, stdin=stdin)

    def conflict() -> None:
        for org, value in zip(orgs, ("+1 left", "+1 right"), strict=True):
            path = f"/services/data/v62.0/sobjects/Contact/{org.rows('Contact')[0]['Id']}"
            assert org.call("PATCH", path, {"Phone": value}, token=person(org))[0] == 204
        assert sync("run", "Both", "--json").status == 1

    def phones() -> list[str]:
        return [org.rows("Contact")[0]["Phone"] for org in orgs]

    orgs[0].add_rows("Contact", [{"LastName": "Ann", "Phone": "0"}])
    file = tmp_path / "both.yaml"
    file.write_text(BOTH)
    assert sync("apply", str(file), *PLACES, "--json").status == 0
    assert sync("run", "Both", "--json").status == 0
    conflict()
    seen = sync("inspect", "Both")
    assert seen.status == 1, seen.err
    assert all(word in seen.out for word in ("+1 left", "+1 right", "somebody else", "isthmus sync decide"))

    synced = next(each["id"] for each in sync("list", "--json").json if each["name"] == "Both")
    viewer, place = Viewer(), f"/api/v1/syncs/{synced}"
    body = {"viewer_key": b64encode(viewer.public).decode(), "decide": True}
    told = json.loads(ask(member, f"{place}/inspect", body).text)
    assert told["waits"], told
    look = UUID(told["look"])
    (pair,) = viewer.open(look, [b64decode(each) for each in told["sealed"]])
    assert isinstance(pair, ShownPair)

    def answered(*decisions: Decision, done: bool = False) -> list[Outcome]:
        sealed = b64encode(viewer.answer(look, Decisions(decisions, done))).decode()
        reply = json.loads(ask(member, f"{place}/decide", {"look": told["look"], "sealed": sealed}).text)
        assert reply["understood"], reply
        return [each.outcome for each in viewer.open_reply(look, b64decode(reply["sealed"])).results]

    assert answered(Decision(pair.number, Side.TARGET)) == [Outcome.WRITTEN]
    assert answered(done=True) == []
    assert phones() == ["+1 right", "+1 right"]
    assert sync("retry", "Both", "--json").status == 0

    conflict()
    assert "--winner" in sync("decide", "Both", "--json").refusal()
    decided = sync("decide", "Both", stdin="fields\nsource\n")
    assert (decided.status, "1. written" in decided.out) == (0, True), decided.out + decided.err
    assert phones() == ["+1 left", "+1 left"]


def test_codes_are_explained_and_channels_tried_without_an_installation(tmp_path: Path) -> None:
    file = tmp_path / "notices.yaml"
    file.write_text('version: 1\nchannels: {pager: {webhook: "http://127.0.0.1:9/hush", private: yes}}\n')
    file.chmod(0o600)
    environ = {"HOME": str(tmp_path), "ISTHMUS_NOTICES_FILE": str(file)}
    told = run("sync", "explain", "unable_to_lock_row", "--json", environ=environ).json
    assert told["again"] is True
    assert "UNABLE_TO_LOCK_ROW" in run("sync", "explain", "LOCK_ROW", "--json", environ=environ).refusal()
    assert run("notices", "list", "--json", environ=environ).json[0]["name"] == "pager"
    tried = run("notices", "test", "pager", environ=environ)
    assert tried.status == 1
    assert "hush" not in tried.out + tried.err
    file.chmod(0o644)
    assert "chmod 600" in run("notices", "list", "--json", environ=environ).refusal()
    (seen,) = [look for look in run("doctor", "--json", environ=environ).json if look["thing"] == "Notices"]
    assert (seen["health"], "chmod 600" in seen["remedy"]) == ("bad", True)
