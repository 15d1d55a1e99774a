from __future__ import annotations

import json
import signal
import socket
import ssl
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.orgsim import start_orgsim

ROOT = Path(__file__).parents[3]
SERVE = ("serve", "--control-port", "0", "--profile", "empty")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orgsim.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)


def test_a_port_in_use_is_one_clear_line_and_status_2():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run(*SERVE, "--port", str(port))
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr == f"orgsim: port {port} is in use; choose another with --port, or 0 for a free one\n"


def test_other_machines_are_not_served():
    ended = run(*SERVE, "--port", "0", "--host", "0.0.0.0")
    assert ended.returncode == 2
    assert "not a loopback address" in ended.stderr


@pytest.mark.parametrize("rows", ["Account", "Account=many", "=3"])
def test_malformed_row_counts_are_refused(rows: str):
    ended = run(*SERVE, "--port", "0", "--rows", rows)
    assert ended.returncode == 2
    assert "Object=number" in ended.stderr


def test_rows_of_an_unknown_object_are_refused():
    ended = run(*SERVE, "--port", "0", "--rows", "Unicorn=3")
    assert ended.returncode == 2
    assert ended.stderr.startswith("orgsim: ")
    assert "Traceback" not in ended.stderr


def test_help_shows_examples():
    ended = run("serve", "--help")
    assert ended.returncode == 0
    assert "orgsim serve --port 8080 --control-port 8081" in ended.stdout


def test_facts_are_counted_by_source():
    ended = run("facts")
    assert ended.returncode == 0
    words = [line.split()[0] for line in ended.stdout.splitlines()]
    assert words == ["recorded", "documented", "assumed", "total"]


def test_the_ready_line_is_the_only_output_and_an_interrupt_ends_cleanly():
    command = [sys.executable, "-m", "orgsim.cli", *SERVE, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert {"instance_url", "control_url", "client_id", "username", "access_token"} <= set(ready)
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=60)
    assert (process.returncode, rest, errors) == (0, "", "")


def test_tls_comes_with_an_authority_of_its_own_and_guarded_keys(tmp_path: Path):
    with start_orgsim(tls=tmp_path / "ca") as org:
        trusted = ssl.create_default_context(cafile=str(tmp_path / "ca" / "ca.pem"))
        with urllib.request.urlopen(f"{org.instance_url}/services/data", context=trusted) as answer:
            assert json.loads(answer.read())[-1]["version"] == "67.0"
    for name in ("ca.key", "server.key"):
        assert stat.S_IMODE((tmp_path / "ca" / name).stat().st_mode) == 0o600
