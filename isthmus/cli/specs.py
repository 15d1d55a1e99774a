"""Sync files as the commands read them."""

from __future__ import annotations

import sys
from codecs import BOM_UTF8
from pathlib import Path

from isthmus.cli.output import refuse
from isthmus.sync.spec import SPEC_BYTES_MAX, SpecRefused, SyncSpec, parse_spec


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
    """Return a file's text (`-` is standard input), or stop with exit status 2, reading no more than can be used."""
    try:
        if str(file) == "-":
            return sys.stdin.read(SPEC_BYTES_MAX + 1)
        with file.open("rb") as opened:
            content = opened.read(SPEC_BYTES_MAX + len(BOM_UTF8) + 1)
        if len(content) > SPEC_BYTES_MAX + len(BOM_UTF8):
            refuse(f"{file} is longer than 256 KiB.", "Split the sync into several.")
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        refuse(f"{file} is not UTF-8 text.", "Save it as UTF-8.")
