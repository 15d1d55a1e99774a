"""What a user of `copy`, `audit` and `doctor` gets wrong: one message, its remedy, the right status, JSON where asked."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.support.commands import ISTHMUS, Said, bare_environ, org_environ, run
from tests.support.orgsim import Orgsim, start_orgsim

ACCOUNTS = "version: 1\nname: accounts\nsteps: [{object: Account}]\n"


@dataclass(frozen=True)
class World:
    """Two orgs and a folder."""

    source: Orgsim
    target: Orgsim
    place: Path
    environ: dict[str, str]

    def copy(self, text: str | bytes = ACCOUNTS, *more: str, to: str = "target", **environ: str) -> Said:
        """Run `isthmus copy --json` with a file of this text."""
        file = self.place / "sync.yaml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        command = ("copy", str(file), "--from", "source", "--to", to, "--json", *more)
        return run(*command, environ={**self.environ, **environ})

    def audit(self, *more: str, out: Path | None = None, **environ: str) -> Said:
        """Run `isthmus audit run --json`."""
        command = ("audit", "run", "--org", "source", "--out", str(out or self.place / "audit"), "--json", *more)
        return run(*command, environ={**self.environ, **environ})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    place = tmp_path_factory.mktemp("bad")
    with (
        start_orgsim(name="acme", profile="demo", rows={"Account": 40, "Contact": 0, "Opportunity": 0}) as source,
        start_orgsim(name="target", seed=2) as target,
    ):
        environ = {**bare_environ(place), **org_environ("source", source), **org_environ("target", target)}
        yield World(source, target, place, environ)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "line 1"),
        ("a: [", "line 1"),
        ("- 1\n", "version: 1"),
        (b"\xff\xfe\x00", "UTF-8"),
        ("version: 9\nname: x\nsteps: [{object: Account}]\n", "version"),
        ("version: 1\nname: x\nsteps: []\n", "steps"),
        ("version: 1\nname: x\nbogus: 1\nsteps: [{object: Account}]\n", "line 3, bogus"),
        ("version: 1\nversion: 1\nname: x\nsteps: [{object: Account}]\n", "twice"),
        ("version: 1\nname: x\nsteps: [{object: 'Account; drop'}]\n", "steps[0].object"),
        ("a: &a [1]\nb: *a\n", "aliases"),
        ("x" * 300_000, "256 KiB"),
        ("[" * 50_000, "nested"),
        ("version: 1\nname: x\nsteps: [{object: Nope}]\n", "Nope"),
        (
            "version: 1\nname: x\nsteps: [{object: Account, fields: {Name: Nope__c}}]\n",
            "no field Nope__c in the source",
        ),
        (
            "version: 1\nname: x\nsteps: [{object: Account, fields: {Nope__c: Name}}]\n",
            "no field Nope__c in the target",
        ),
        ("version: 1\nname: x\nsteps: [{object: Account, where: 'Name = '}]\n", "steps[0].where"),
    ],
)
def test_a_sync_file_that_cannot_be_used_is_refused_with_its_place(world: World, text: str | bytes, named: str) -> None:
    assert named in world.copy(text).refusal()


def test_a_file_without_an_end_is_not_read_to_its_end(world: World) -> None:
    said = run("copy", "/dev/zero", "--from", "source", "--to", "target", "--json", environ=world.environ)
    assert "256 KiB" in said.refusal()
    assert "4 MiB" in world.audit("--prices", "/dev/zero").refusal()


def test_an_org_is_never_copied_into_itself(world: World) -> None:
    before = world.source.control("GET", "/counts")
    assert "same org" in world.copy(to="source").refusal()
    again = org_environ("again", world.source)
    again["ISTHMUS_ORG_AGAIN_INSTANCE_URL"] = world.source.instance_url.replace("127.0.0.1", "localhost")
    assert "same org" in world.copy(to="again", **again).refusal()
    assert world.source.control("GET", "/counts") == before


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("https://evil.example", "My Domain"),
        ("https://login.salesforce.com.evil.example", "My Domain"),
        ("http://169.254.169.254/", "My Domain"),
        ("https://user:pass@acme.my.salesforce.com", "My Domain"),
        ("nonsense", "My Domain"),
    ],
)
def test_a_host_that_is_not_salesforce_is_refused(world: World, url: str, named: str) -> None:
    assert named in world.copy(ISTHMUS_ORG_SOURCE_INSTANCE_URL=url).refusal()
    assert named in world.audit(ISTHMUS_ORG_SOURCE_INSTANCE_URL=url).refusal()


def test_a_loopback_org_needs_the_declared_setting(world: World) -> None:
    assert "ISTHMUS_ALLOW_LOOPBACK_HTTP=1" in world.copy(ISTHMUS_ALLOW_LOOPBACK_HTTP="0").refusal()


@pytest.mark.parametrize("token", ["bad\r\nX-Header: 1", "with blank", "zażółć"])
def test_a_token_that_is_none_is_refused_and_not_repeated(world: World, token: str) -> None:
    said = world.copy(ISTHMUS_ORG_TARGET_ACCESS_TOKEN=token)
    assert "ISTHMUS_ORG_TARGET_ACCESS_TOKEN" in said.refusal()
    assert token not in said.out + said.err


def test_an_expired_token_stops_copy_and_audit_with_the_remedy(world: World) -> None:
    expired = {"ISTHMUS_ORG_SOURCE_ACCESS_TOKEN": world.source.access_token[:16] + "expired"}
    assert "The source does not accept our token" in world.copy(**expired).refusal()
    expired_target = {"ISTHMUS_ORG_TARGET_ACCESS_TOKEN": world.target.access_token[:16] + "expired"}
    assert "The target does not accept our token" in world.copy(**expired_target).refusal()
    assert "token" in world.audit(**expired).refusal()


def test_a_token_that_is_revoked_in_mid_run_stops_the_copy_and_names_the_org(world: World) -> None:
    with start_orgsim(name="brief", rows={"Account": 900}) as source:
        source.control("POST", "/faults", {"path": "/query", "nth": 3, "expire_token": True})
        refusal = world.copy(**org_environ("source", source)).refusal()
        assert source.control("GET", "/faults")[0]["hits"] == 1
    assert "source no longer accepts" in refusal
    assert "Connect the source org again" in refusal


def test_rows_that_the_target_refuses_are_counted_by_code_and_the_status_is_1(world: World) -> None:
    rule = {"object": "Account", "every": 4, "row_error": {"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION"}}
    world.target.control("POST", "/faults", rule)
    try:
        said = world.copy()
    finally:
        world.target.control("DELETE", "/faults")
    assert said.status == 1, said.out
    failures = said.json["failures"]
    assert "FIELD_CUSTOM_VALIDATION_EXCEPTION" in {failure["code"] for failure in failures}
    assert all(failure["cause"] and failure["remedy"] for failure in failures)


def test_a_reader_who_may_not_see_logins_gets_no_verdict_on_people(world: World) -> None:
    reader = f"/users/{world.source.ready['reader_username']}"
    world.source.control("POST", f"{reader}/permissions", {"ViewSetup": True, "MonitorLoginHistory": False})
    token = world.source.control("POST", f"{reader}/token")["access_token"]
    said = world.audit(ISTHMUS_ORG_SOURCE_ACCESS_TOKEN=token)
    assert said.status == 1, said.out + said.err
    told = said.json
    assert told["seats"]["active"] is None
    assert told["seats"]["unused"] is None
    assert told["findings"]["R07"] is None
    assert any("logins" in line for line in told["withheld"])


@pytest.mark.parametrize("option", ["--prices", "--contract"])
@pytest.mark.parametrize("content", [b"\xff\xfe", b"a" * 5_000_000, b'product,price\n"open'])
def test_a_price_or_contract_file_that_cannot_be_used_is_named(world: World, option: str, content: bytes) -> None:
    file = world.place / "paid.csv"
    file.write_bytes(content)
    assert "paid.csv" in world.audit(option, str(file)).refusal()


def test_a_day_to_come_is_no_day_to_judge_by(world: World) -> None:
    assert "2999-01-01" in world.audit("--as-of", "2999-01-01").refusal()


@pytest.mark.parametrize("out", ["/proc/nope", "FILE/below"])
def test_a_folder_that_cannot_be_written_is_named_before_anything_is_read(world: World, out: str) -> None:
    file = world.place / "file"
    file.write_text("")
    before = len(world.source.transcript())
    assert "--out" in world.audit(out=Path(out.replace("FILE", str(file)))).refusal()
    assert len(world.source.transcript()) == before


def test_a_bundle_that_was_touched_does_not_verify(world: World) -> None:
    out = world.place / "whole"
    assert world.audit(out=out).status == 0
    bundle = out / "bundle"
    assert run("audit", "verify", str(bundle), "--json", environ=world.environ).status == 0
    for file in sorted(bundle.iterdir())[:2]:
        kept = file.read_bytes()
        file.write_bytes(kept.replace(b"e", b"f", 1) if b"e" in kept else b"x")
        assert "verify" in run("audit", "verify", str(bundle), "--json", environ=world.environ).refusal()
        file.write_bytes(kept)
        file.unlink()
        run("audit", "verify", str(bundle), "--json", environ=world.environ).refusal()
        file.write_bytes(kept)
    run("audit", "verify", str(out / "report.pdf"), "--json", environ=world.environ).refusal()


def test_the_doctor_sees_folders_that_cannot_be_used(world: World, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    (tmp_path / "shared/theirs").touch()
    for place, seen in (("shared", "others may enter"), ("shared/theirs/x", "cannot be written")):
        environ = {**world.environ, "ISTHMUS_SECRETS_DIR": str(tmp_path / place)}
        said = run("doctor", "--json", environ=environ)
        assert said.status == 2
        assert seen in next(look["seen"] for look in said.json if look["thing"] == "Folders")


@pytest.mark.parametrize(
    ("streams", "status"), [(">/dev/full", 2), ("| true; exit ${PIPESTATUS[0]}", 2), ("<&- >&- 2>&-", 0)]
)
def test_output_that_nobody_takes_ends_without_a_traceback(tmp_path: Path, streams: str, status: int) -> None:
    line = f"{ISTHMUS} sync explain --json {streams}"
    done = subprocess.run(
        ["bash", "-c", line], env=bare_environ(tmp_path), capture_output=True, timeout=90, check=False
    )
    assert done.returncode == status
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


def test_what_surrounds_a_command_does_not_change_it(world: World) -> None:
    odd = {
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "LC_ALL": "C",
        "TZ": "Mars/Olympus",
        "PYTHONIOENCODING": "ascii",
        "COLUMNS": "10",
    }
    environ = {name: value for name, value in world.environ.items() if name != "HOME"}
    file = world.place / "odd.yaml"
    file.write_text(ACCOUNTS)
    command = ("copy", str(file), "--from", "source", "--to", "target", "--dry-run")
    said = run(*command, environ={**environ, **odd})
    assert said.status == 0, said.err
    assert "SwiftPort_Source_Id__c" in said.out
    assert run(*command, "--json", environ={**environ, **odd}).json["steps"][0]["rows_read"] >= 0


def test_ctrl_c_ends_a_copy_at_once_with_its_movers(world: World) -> None:
    world.target.control("POST", "/faults", {"path": ".", "delay_s": 20})
    file = world.place / "slow.yaml"
    file.write_text(ACCOUNTS)
    process = subprocess.Popen(
        [ISTHMUS, "copy", str(file), "--from", "source", "--to", "target", "--json"],
        env=world.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        movers = _until_it_has_a_mover(process.pid)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        world.target.control("DELETE", "/faults")
    assert "Stopped" in Said(process.returncode, out, err).refusal()
    assert psutil.wait_procs(movers, timeout=60)[1] == []


def _until_it_has_a_mover(pid: int) -> list[psutil.Process]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = [c for c in psutil.Process(pid).children() if "isthmus.worker.mover" in " ".join(c.cmdline())]
        if found:
            return found
        time.sleep(0.02)
    pytest.fail("the copy started no mover")


@pytest.mark.parametrize(
    "arguments",
    [("copy",), ("nope",), ("org", "connect", "Not An Alias", "--purpose", "audit"), ("audit", "run"), ("up", "extra")],
)
def test_a_command_line_that_is_wrong_is_refused_in_the_same_form(world: World, arguments: tuple[str, ...]) -> None:
    assert "--help" in run(*arguments, "--json", environ=world.environ).refusal()


@pytest.mark.parametrize(
    "arguments", [("org", "list"), ("sync", "list"), ("trust",), ("link",), ("org", "revoke", "prod", "--yes")]
)
def test_a_command_without_a_running_installation_says_how_to_start_one(
    world: World, arguments: tuple[str, ...]
) -> None:
    assert "isthmus up" in run(*arguments, "--json", environ=world.environ).refusal()


def test_a_demo_that_cannot_listen_or_write_says_so_before_it_starts_anything(tmp_path: Path) -> None:
    environ = {**bare_environ(tmp_path), "TMPDIR": str(tmp_path)}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = run("demo", "--exit", "--port", port, "--out", str(tmp_path / "out"), environ=environ)
    assert said.status == 2
    assert f"Port {port}" in said.err
    assert "isthmus demo --port" in said.err
    (tmp_path / "file").touch()
    said = run("demo", "--exit", "--port", port, "--out", str(tmp_path / "file/out"), environ=environ)
    assert said.status == 2
    assert "choose another place" in said.err
    assert [place.name for place in tmp_path.iterdir()] == ["file"]
