"""Comparing two real describes, by tokens as a command and between connected orgs as the portal asks."""

from __future__ import annotations

from pathlib import Path

from isthmus.sync.definitions import SchemaPending
from isthmus.sync.planning import comparing
from isthmus.values import ConnectionId
from tests.support.commands import bare_environ, org_environ, run
from tests.support.copying import Pair, sync_settings
from tests.support.postgres import FreshDatabase
from tests.support.two_schemas import two_schemas
from tests.support.working import installation, until

PAIRS = [("Account", "Account"), ("Invoice__c", "Bill__c")]


def test_two_orgs_are_compared_without_a_server(tmp_path: Path) -> None:
    with two_schemas(tmp_path) as (source, target):
        environ = {**bare_environ(tmp_path), **org_environ("a", source), **org_environ("b", target)}
        words = ("sync", "compare", "--from", "a", "--to", "b", "--object", "Account", "--object", "Invoice__c=Bill__c")
        said = run(*words, "--json", environ=environ)
        assert said.status == 1, said.err
        found = said.json
        assert (found["objects_only_source"], found["objects_only_target"]) == (["Invoice__c"], ["Bill__c"])
        account, invoice = found["pairs"]
        assert {"Tier__c", "Region__c"} <= set(account["fields_only_source"])
        assert {"Segment__c", "Territory__c"} <= set(account["fields_only_target"])
        assert "Amount__c" in invoice["fields_only_source"]
        calls = [call for call in source.transcript() if call["path"].startswith("/services/data/v")]
        assert len(calls) == 3  # the list and two describes
        said = run(*words, environ=environ)
        assert "Invoice__c → Bill__c" in said.out
        same = run("sync", "compare", "--from", "a", "--to", "b", "--object", "Lead", "--json", environ=environ)
        assert same.json["pairs"][0]["differences"] == []
        assert "That is no object" in run(*words[:6], "--object", "x y", "--json", environ=environ).refusal()


async def test_connected_orgs_are_compared_from_what_the_worker_reads(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    with two_schemas(tmp_path) as (source, target):
        pair = Pair(source, target, sync_settings(tmp_path))
        async with installation(fresh_database, pair) as product, product.worker():
            sides = ConnectionId(product.source), ConnectionId(product.target)
            async with product.transaction() as tx:
                await comparing.ask(tx, *sides, PAIRS)

            async def known() -> bool:
                async with product.transaction() as tx:
                    try:
                        await comparing.compared(tx, *sides, PAIRS)
                    except SchemaPending:
                        return False
                return True

            await until(known)
            async with product.transaction() as tx:
                found = await comparing.compared(tx, *sides, PAIRS)
            assert found.objects_only_target == ("Bill__c",)
            assert found.pairs[1].source == "Invoice__c"
