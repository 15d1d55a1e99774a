"""Sync files as the commands read them."""

from __future__ import annotations

import sys
from pathlib import Path

from isthmus.cli.output import refuse
from isthmus.sync.spec import SpecRefused, SyncSpec, parse_spec


def read_spec(file: Path) -> SyncSpec:
    """Return the sync that a file describes, or stop with exit status 2 naming line and remedy."""
    return spec_of(read_text(file), str(file))


def spec_of(text: str, name: str) -> SyncSpec:
    """Return the sync that `text` describes, or stop with exit status 2 naming line and remedy."""
    try:
        return parse_spec(text)
    except SpecRefused as refused:
        place = f"{name}, line {refused.line}, {refused.path}" if refused.line else f"{name}, {refused.path}"
        refuse(f"{place}: {refused.what}.", refused.remedy)


def read_text(file: Path) -> str:
    """Return a file's text (`-` is standard input), or stop with exit status 2."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        refuse(f"{file} is not UTF-8 text.", "Save it as UTF-8.")
