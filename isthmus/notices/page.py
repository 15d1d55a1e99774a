"""A notice as an HTML page for mail programs: headings, paragraphs and tables of figures. Pure; all texts are escaped.

One column that fits a telephone, no pictures, nothing fetched, and colours that a dark screen may turn. Programs that
drop the style sheet still show the same words in the same order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, TypeAlias

WIDTH_PX: Final = 600
_DAY: Final = re.compile(r"\d{4}-\d\d(-\d\d)?")
_STYLE: Final = f"""
:root{{color-scheme:light dark;supported-color-schemes:light dark}}
body{{margin:0;padding:0;background:#fff;color:#181818;font:15px/1.45 Arial,Helvetica,sans-serif}}
main{{display:block;box-sizing:border-box;max-width:{WIDTH_PX}px;margin:0 auto;padding:16px}}
h1{{margin:0 0 12px;font-size:20px;line-height:1.3;color:#032d60}}
h2{{margin:24px 0 4px;font-size:16px;color:#032d60}}
p{{margin:8px 0;overflow-wrap:anywhere}}
table{{width:100%;margin:12px 0;border-collapse:collapse;font-size:14px}}
caption{{padding:0 0 4px;text-align:left;font-weight:bold;color:#032d60}}
th,td{{padding:6px 8px 6px 0;border-bottom:1px solid #c9d3df;text-align:left;vertical-align:top;overflow-wrap:anywhere}}
th{{font-weight:bold}}
tbody th{{font-weight:normal}}
.n{{padding-right:0;padding-left:8px;text-align:right;overflow-wrap:normal}}
.d{{white-space:nowrap}}
.go{{display:inline-block;padding:10px 16px;border-radius:4px;background:#0b5cab;color:#fff;text-decoration:none}}
.small{{font-size:13px;color:#474747}}
@media (prefers-color-scheme:dark){{
body{{background:#16181d;color:#ececec}}
h1,h2,caption{{color:#a9cdf5}}
th,td{{border-color:#4a515c}}
.go{{background:#a9cdf5;color:#032d60}}
.small{{color:#c2c6cc}}
}}
"""


@dataclass(frozen=True, slots=True)
class Heading:
    """What follows is about this."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A sentence or more; `small` for what only explains."""

    text: str
    small: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. The first cell of a row names it; the columns from `numbers_from` on are numbers."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers_from: int = 1


Block: TypeAlias = Heading | Paragraph | Grid


def html_page(title: str, blocks: Sequence[Block], link: str | None = None) -> str:
    """Return the page."""
    return "\n".join(_lines(title, blocks, link))


def _lines(title: str, blocks: Sequence[Block], link: str | None) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
    yield f"<body><main><h1>{escape(title)}</h1>"
    for block in blocks:
        match block:
            case Heading():
                yield f"<h2>{escape(block.text)}</h2>"
            case Paragraph():
                small = ' class="small"' if block.small else ""
                yield f"<p{small}>{escape(block.text)}</p>"
            case Grid():
                yield from _table(block)
    if link:
        yield f'<p><a class="go" href="{escape(link)}">Open in Isthmus</a></p>'
    yield "</main></body></html>\n"


def _table(grid: Grid) -> Iterator[str]:
    caption = f"<caption>{escape(grid.caption)}</caption>" if grid.caption else ""
    head = "".join(f'<th scope="col"{_kind(grid, n)}>{escape(text)}</th>' for n, text in enumerate(grid.head))
    yield f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>"
    for name, *cells in grid.rows:
        rest = "".join(f"<td{_kind(grid, n, text)}>{escape(text)}</td>" for n, text in enumerate(cells, start=1))
        yield f'<tr><th scope="row">{escape(name)}</th>{rest}</tr>'
    yield "</tbody></table>"


def _kind(grid: Grid, column: int, text: str = "") -> str:
    kinds = ["n"] if column >= grid.numbers_from else []
    kinds += ["d"] if _DAY.fullmatch(text) else []
    return f' class="{" ".join(kinds)}"' if kinds else ""
