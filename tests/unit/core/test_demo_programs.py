"""The demo's programs: one that ends by itself is named, with its status and what it said."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.demo.processes import Ended, Program


def _program(tmp_path: Path, code: str) -> Program:
    log = tmp_path / "log"
    with log.open("wb") as errors:
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stderr=errors)
    return Program("isthmus up", process, log)


def test_a_program_that_runs_is_left_alone_and_one_that_ended_is_named(tmp_path: Path) -> None:
    program = _program(tmp_path, "import sys; sys.stdin.read(); sys.exit('The disk is full.')")
    program.must_run()
    program.process.communicate()
    with pytest.raises(Ended, match=r"isthmus up has ended by itself \(status 1\)\. It said: The disk is full\."):
        program.must_run()
