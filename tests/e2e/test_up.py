"""`isthmus up` in trouble: what is wrong is said, what dies is started again, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

import psutil
import psycopg
import pytest

from isthmus.cli.supervisor import RESTARTS_MAX
from isthmus.demo.browser import Browser
from tests.support.commands import ISTHMUS, bare_environ, run
from tests.support.orgsim import start_orgsim
from tests.support.portal import Product, free_port, start_product

WAIT_S = 60


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with start_product() as running:
        yield running


def _supervisor(product: Product) -> psutil.Process:
    for process in psutil.process_iter(["cmdline"]):
        if (process.info["cmdline"] or [])[-2:] == ["up", "--json"]:
            try:
                if process.environ().get("ISTHMUS_HOME") == product.environ["ISTHMUS_HOME"]:
                    return process
            except psutil.Error:
                continue
    pytest.fail("there is no supervisor")


def _child(product: Product, name: str) -> psutil.Process | None:
    for child in _supervisor(product).children():
        try:
            command = child.cmdline()  # empty while it dies
        except psutil.NoSuchProcess:
            continue
        if command and name in {Path(command[0]).name, command[-1]}:
            return child
    return None


def _until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def test_a_second_up_on_the_same_home_is_refused(product: Product) -> None:
    assert "running already" in run("up", "--json", environ=product.environ).refusal()


def test_the_port_of_another_program_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        refusal = run("up", "--json", environ={**bare_environ(tmp_path), "ISTHMUS_PORT": str(port)}).refusal()
    assert f"Port {port}" in refusal
    assert f"ISTHMUS_PORT={port + 1}" in refusal


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("ISTHMUS_HOME", "/proc/nowhere", "/proc/nowhere"),
        ("ISTHMUS_HOME", "/etc/hostname", "file lies"),
        ("ISTHMUS_HOME", "/tmp/" + "x" * 120, "shorter path"),
        ("ISTHMUS_PUBLIC_URL", "ftp://x", "ISTHMUS_PUBLIC_URL"),
        ("ISTHMUS_PORT", "99999", "ISTHMUS_PORT"),
        ("ISTHMUS_BIND", "203.0.113.9", "ISTHMUS_BIND"),
        ("ISTHMUS_CA_FILE", "/nowhere", "ISTHMUS_CA_FILE"),
        ("ISTHMUS_DATABASE_URL", "garbage", "ISTHMUS_DATABASE_URL"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, setting: str, value: str, named: str) -> None:
    environ = {**bare_environ(tmp_path), "ISTHMUS_PORT": str(free_port()), setting: value}
    assert named in run("up", "--json", environ=environ).refusal()


def test_the_printed_connect_address_leads_to_the_filled_in_form_and_to_an_org(product: Product) -> None:
    address = run("org", "connect", "acme", "--purpose", "sync", "--no-wait", "--json", environ=product.environ)
    browser = Browser()
    page = browser.get(address.json["connect_url"])
    form = browser.submit(page, page.form("/sign-in/"), {})
    assert form.url == f"{product.url}/orgs/connect?alias=acme&purpose=sync"
    assert form.form("/orgs/connect").values["alias"] == "acme"
    with start_orgsim(name="acme", more=("--redirect-uri", f"{product.url}/oauth/callback")) as org:
        wanted = {"purpose": "sync", "environment": "emulator", "address": org.instance_url, "client_id": org.client_id}
        ready = browser.submit(form, form.form("/orgs/connect"), wanted)
        page = browser.get(ready.link("authorize"))
        page = browser.submit(page, page.form(""), {"username": org.username, "pw": org.password, "action": "login"})
        browser.submit(page, page.form(""), {"action": "allow"})
        listed = run("org", "list", "--json", environ=product.environ).json
    assert [(found["alias"], found["state"]) for found in listed] == [("acme", "active")]


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/orgs/connect?alias=a&purpose=audit",
        "//evil.example/orgs/connect?alias=a&purpose=audit",
        "/orgs/connect/../../evil?alias=a&purpose=audit",
        "/orgs/connect?alias=a%0d%0aX:y&purpose=audit",
        "/sign-out",
    ],
)
def test_a_sign_in_link_leads_nowhere_but_to_our_own_form(product: Product, place: str) -> None:
    browser = Browser()
    page = browser.get(f"{product.new_sign_in_url()}?{urlencode({'next': place})}")
    form = page.form("/sign-in/")
    assert "next" not in form.values
    assert browser.submit(page, form, {"next": place}).url == f"{product.url}/?done=signed-in"


@pytest.mark.parametrize("name", ["isthmus.portal", "isthmus.keeper", "isthmus.worker", "postgres"])
def test_a_process_that_is_killed_is_started_again_and_the_product_answers(product: Product, name: str) -> None:
    killed = _child(product, name)
    assert killed is not None
    killed.kill()

    def again() -> bool:
        found = _child(product, name)
        return (
            found is not None and found.pid != killed.pid and product.command("org", "list", "--json").returncode == 0
        )

    _until(again, f"{name} did not come back")


def test_a_database_that_is_away_for_long_ends_nothing_and_the_product_answers_afterwards(product: Product) -> None:
    modules = ("isthmus.worker", "isthmus.keeper", "isthmus.portal")
    database = _child(product, "postgres")
    assert database is not None
    left = database.children()
    for process in left:
        process.suspend()  # as one that the disk keeps waiting: no server can begin while it lives
    try:
        database.kill()
        assert "PostgreSQL does not answer" in run("org", "list", "--json", environ=product.environ).refusal()
        _answers_that_the_database_is_away(product)
        for name in modules:
            killed = _child(product, name)
            assert killed is not None
            killed.kill()
        logs = [Path(product.environ["ISTHMUS_HOME"]) / "log" / f"{name.rpartition('.')[2]}.log" for name in modules]
        _until(lambda: all("does not let" in log.read_text() for log in logs), "a process says not what it waits for")
        assert "is running here" in run("org", "list", "--json", environ=product.environ).refusal()
    finally:
        for process in left:
            process.resume()
    _until(lambda: product.command("org", "list", "--json").returncode == 0, "the product did not come back")
    assert all(_child(product, name) is not None for name in ("postgres", *modules))


def _answers_that_the_database_is_away(product: Product) -> None:
    for path in ("/orgs", "/api/v1/orgs"):
        asked = urllib.request.Request(product.url + path, headers={"Cookie": "isthmus_session=somebody"})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(asked, timeout=WAIT_S)
        with refused.value as answer:
            assert (answer.code, "The database does not answer" in answer.read().decode()) == (503, True)


def test_a_worker_whose_connections_are_cut_again_and_again_goes_on_and_is_not_given_up(product: Product) -> None:
    worker = _child(product, "isthmus.worker")
    assert worker is not None
    with _superuser(product.environ) as connection:
        for _ in range(RESTARTS_MAX + 1):
            _until(lambda: connection.execute(_LISTENING).fetchone() is not None, "the worker listens no more")
            connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename='isthmus_worker'")
        _until(lambda: connection.execute(_LISTENING).fetchone() is not None, "the worker listens no more")
    assert _child(product, "isthmus.worker") == worker


_LISTENING = "select from pg_stat_activity where usename = 'isthmus_worker' and query like 'LISTEN%'"


def test_a_killed_supervisor_leaves_no_process_and_the_next_start_works_and_refuses_what_it_must() -> None:
    with _started() as (process, environ):
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) > 3
        process.kill()
        assert [_command(left) for left in psutil.wait_procs(children, timeout=60)[1]] == []
        _refused_keys(environ)
        again = subprocess.Popen([ISTHMUS, "up", "--json"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            assert again.stdout is not None
            assert b"portal_url" in again.stdout.readline()
            _plant_newer_schema(environ)
            children = psutil.Process(again.pid).children(recursive=True)
        finally:
            again.send_signal(signal.SIGINT)
            assert again.wait(60) == 0
        assert psutil.wait_procs(children, timeout=60)[1] == []
        assert "newer" in run("up", "--json", environ=environ).refusal()


def _command(process: psutil.Process) -> str:
    with suppress(psutil.NoSuchProcess):
        return " ".join(process.cmdline())
    return "ended since"


@contextmanager
def _started() -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    with start_product() as product:
        yield _supervisor(product), product.environ


def _refused_keys(environ: dict[str, str]) -> None:
    key = Path(environ["ISTHMUS_SECRETS_DIR"]) / "key"
    kept = key.read_bytes()
    key.chmod(0o644)
    assert "chmod 600" in run("up", "--json", environ=environ).refusal()
    key.chmod(0o600)
    key.write_bytes(os.urandom(32))
    assert "does not belong to this database" in run("up", "--json", environ=environ).refusal()
    key.unlink()
    assert "missing" in run("up", "--json", environ=environ).refusal()
    assert not key.exists()
    key.write_bytes(kept)
    key.chmod(0o600)


def _plant_newer_schema(environ: dict[str, str]) -> None:
    with _superuser(environ) as connection:
        connection.execute("insert into meta.schema_version (version) values (9999)")


def _superuser(environ: dict[str, str]) -> psycopg.Connection[tuple[object, ...]]:
    run_dir = Path(environ["ISTHMUS_HOME"]) / "run"
    passfile = Path(environ["ISTHMUS_SECRETS_DIR"]) / "postgres.pgpass"
    return psycopg.connect(
        host=str(run_dir), user="postgres", dbname="isthmus", passfile=str(passfile), autocommit=True
    )


@pytest.mark.parametrize("delay_s", [0.5, 1.5, 3.0])
def test_ctrl_c_during_the_first_start_leaves_no_process_and_a_place_to_start_from(
    tmp_path_factory: pytest.TempPathFactory, delay_s: float
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {**bare_environ(tmp_path_factory.mktemp("k")), "ISTHMUS_PORT": str(port)}
    process = subprocess.Popen([ISTHMUS, "up", "--json"], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(delay_s)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=90)
    assert b"Traceback" not in errors
    assert process.returncode in {0, 2}
    left = psutil.wait_procs(children, timeout=60)[1]
    assert [child for child in left if child.status() != psutil.STATUS_ZOMBIE] == []
