"""What must not type-check does not: basedpyright judges files in which each forbidden call has an ignore."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def judge(path: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--project", str(ROOT / "pyproject.toml"), str(path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("path", sorted(HERE.glob("forbidden_*.py")), ids=lambda path: path.stem)
def test_each_forbidden_call_is_refused(path: Path):
    status, output = judge(path)
    assert status == 0, output


def test_a_call_that_is_allowed_after_all_would_be_noticed(tmp_path: Path):
    text = (HERE / "forbidden_database_calls.py").read_text()
    allowed = text.replace("value=UserText(value))", "value=UserText(value))  # pyright: ignore[reportArgumentType]")
    assert allowed != text
    planted = tmp_path / "planted.py"
    planted.write_text(allowed)
    status, output = judge(planted)
    assert status == 1
    assert "reportUnnecessaryTypeIgnoreComment" in output
