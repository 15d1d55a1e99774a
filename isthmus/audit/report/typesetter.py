"""The process that sets the PDF: `INSTANT ua-1|any`, data on standard input, the document on standard output.

Values go into typst as data (one JSON text), never into markup, so a name cannot become a command.
"""

from __future__ import annotations

import sys
from datetime import datetime
from importlib import resources
from typing import Final

import typst

ACCESSIBLE: Final = "ua-1"
"""PDF/UA-1 (ISO 14289-1): tagged, titled, with a language and a text for each picture."""
ANY: Final = "any"
EXIT_NO_GLYPH: Final = 3
_NO_GLYPH: Final = "could not be displayed"


def main() -> int:
    """Set one document; 3 if some letters are in no font, 1 if there is none for another reason."""
    made_at, standard = sys.argv[1:]
    compiler = typst.Compiler(template(), sys_inputs={"data": sys.stdin.buffer.read().decode()})
    standards: list[typst.PDFStandard] = [ACCESSIBLE] if standard == ACCESSIBLE else []
    try:
        pdf = compiler.compile(format="pdf", timestamp=datetime.fromisoformat(made_at), pdf_standards=standards)
    except typst.TypstError as error:
        return EXIT_NO_GLYPH if _NO_GLYPH in error.message else 1
    if not isinstance(pdf, bytes):
        return 1
    sys.stdout.buffer.write(pdf)
    sys.stdout.buffer.flush()
    return 0


def template() -> bytes:
    """Return the template."""
    return resources.files("isthmus.audit.report").joinpath("report.typ").read_bytes()


def page_image(data: str, *, dots_per_inch: float) -> bytes:
    """Return the first page as PNG."""
    pages = typst.Compiler(template(), sys_inputs={"data": data}).compile(format="png", ppi=dots_per_inch)
    first = pages[0] if isinstance(pages, list) else pages
    if not isinstance(first, bytes):
        message = "the typesetter gave no page"
        raise TypeError(message)
    return first
