"""Ctrl-C of an audit: it ends at once with its movers, and what lay in the folder lies there still."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.support.commands import ISTHMUS, Said, bare_environ, org_environ
from tests.support.orgsim import start_orgsim

WAIT_S = 60


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
