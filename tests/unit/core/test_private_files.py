"""Folders of an installation: closed to others, and never somebody else's."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from isthmus.db.errors import DatabaseUnusable
from isthmus.db.private_files import make_private_folder


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def test_a_new_or_empty_folder_is_closed_to_others(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o755)
    for folder in (tmp_path / "new/deep", empty):
        make_private_folder(folder)
        make_private_folder(folder)
        assert mode(folder) == 0o700


def test_a_folder_that_others_use_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    shared = tmp_path / "etc"
    shared.mkdir()
    shared.chmod(0o755)
    (shared / "passwd").touch()
    with pytest.raises(DatabaseUnusable, match="chmod 700"):
        make_private_folder(shared)
    assert mode(shared) == 0o755
    shared.chmod(0o700)
    make_private_folder(shared)
