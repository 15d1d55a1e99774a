"""`isthmus audit explain` and `verify` as an auditor uses them: a bundle, a figure, no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from isthmus.audit.evidence.bundle import fingerprint_of, zipped
from isthmus.cli.commands.audit import command
from isthmus.cli.refusal import EXIT_REFUSED, Refused
from tests.unit.audit import orgs
from tests.unit.audit.test_outputs import hostile

OFFLINE = """
import socket, sys
def refuse(*_, **__): raise AssertionError("the network was asked for")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from isthmus.cli.main import main
sys.argv = ["isthmus", "audit", "explain", *sys.argv[1:]]
main()
"""


def written(files: Mapping[str, bytes], folder: Path) -> Path:
    folder.mkdir()
    for name in files:
        (folder / name).write_bytes(files[name])
    return folder


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(orgs.everything().bundle, tmp_path_factory.mktemp("explain") / "bundle")


def explain(*words: str | Path) -> str:
    """Return what the command prints."""
    return CliRunner().invoke(command, ["explain", *map(str, words)], catch_exceptions=False).output


def refusal(*words: str | Path) -> str:
    with pytest.raises(Refused) as refused:
        CliRunner().invoke(command, ["explain", *map(str, words)], catch_exceptions=False, standalone_mode=False)
    return f"{refused.value}"


def test_a_figure_is_printed_with_meaning_rows_rule_settings_and_requests(bundle: Path) -> None:
    told = explain(bundle, "licenses[SFDC].unused_a")
    for words in (
        "licenses[0].unused_a = ",
        "The rows below are counted",
        "Rule R06 Never logged in.",
        "thresholds.inactive_days",
        "users.jsonl:",
        "last_login_at is LastLoginDate",
        "Requests that fetched them",
        "SELECT users_verified_portal_features",
    ):
        assert words in told


def test_the_line_that_is_named_is_the_line_of_the_file(bundle: Path) -> None:
    told: dict[str, Any] = json.loads(explain(bundle, "seats_unused", "--json"))
    assert told["how"] == "sum"
    part = str(told["figures"][0]["figure"])
    told = json.loads(explain(bundle, part, "--rows", "0", "--json"))
    assert told["rows_total"] == len(told["rows"]) == told["value"]
    lines = (bundle / "users.jsonl").read_text("utf-8").splitlines()
    for row in told["rows"]:
        line = lines[int(row["line"]) - 1]
        assert json.loads(line)["id"] == row["row"]["id"]


def test_a_finding_is_explained_by_its_number_as_a_whole(bundle: Path) -> None:
    told = explain(bundle, "1")
    assert "subject = " in told
    assert "grade = " in told
    assert "users.jsonl:" in told


def test_without_a_figure_all_are_listed_and_a_part_lists_its_own(bundle: Path) -> None:
    assert "seats_unused = " in explain(bundle)
    assert "findings: " in explain(bundle)
    listed = json.loads(explain(bundle, "money", "--json"))
    assert {item["figure"] for item in listed} >= {"money[0].reclaim_now", "money[1].currency"}
    assert all(item["meaning"] for item in listed)


def test_no_row_limit_hides_how_many_there_are(bundle: Path) -> None:
    assert "more rows (--rows 0 shows all)" in explain(bundle, "users", "--rows", "1")


def test_an_unknown_figure_and_a_changed_bundle_are_refused(bundle: Path, tmp_path: Path) -> None:
    assert "There is:" in refusal(bundle, "nothing")
    files = {file.name: file.read_bytes() for file in bundle.iterdir()}
    users = files["users.jsonl"].replace(b"Nora", b"Nara")
    changed = written({**files, "users.jsonl": users}, tmp_path / "changed")
    assert "users.jsonl has been changed" in refusal(changed, "users")
    assert "not the bundle that the report was made from" in refusal(bundle, "users", "--fingerprint", "0" * 64)


def test_names_cannot_move_the_cursor_or_turn_the_writing(tmp_path: Path) -> None:
    place = written(hostile().bundle, tmp_path / "b")
    for figure in ("licenses[0].unused_a", "org", "prices[3].source", "1", "contract[2].product"):
        told = explain(place, figure, "--rows", "0")
        assert [letter for letter in told if not letter.isprintable() and letter != "\n"] == []


def test_it_works_from_a_zip_in_another_place_without_any_network(tmp_path: Path) -> None:
    packed = tmp_path / "bundle.zip"
    packed.write_bytes(zipped(orgs.plain().bundle))
    environment: dict[str, Any] = {**os.environ, "TZ": "Asia/Kathmandu", "PYTHONHASHSEED": "5", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, packed, "seats_assigned", "--fingerprint", fingerprint_of(orgs.plain().bundle)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "seats_assigned = " in done.stdout


def test_refusals_end_with_status_two(bundle: Path) -> None:
    assert EXIT_REFUSED == 2
    done = subprocess.run(
        [sys.executable, "-m", "isthmus.cli", "audit", "explain", bundle, "nothing"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == EXIT_REFUSED
    assert "lists the figures" in done.stderr + done.stdout
