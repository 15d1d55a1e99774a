"""XML as the SOAP and Bulk 1.0 wires need it: elements known by their local names, read and written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

_XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
XSI_NAMESPACE: Final = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


class BadXml(ValueError):
    """The text is no XML, or has a document type, which no client sends."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element; prefixes and namespaces are dropped, because clients choose them freely."""

    name: str
    text: str
    kind: str
    """The local part of xsi:type, or an empty string."""
    is_nil: bool
    children: tuple[Element, ...]

    def find(self, name: str) -> Element | None:
        """Return the first child of this name."""
        return next((child for child in self.children if child.name == name), None)

    def all(self, name: str) -> list[Element]:
        """Return all children of this name."""
        return [child for child in self.children if child.name == name]

    def value(self, name: str) -> str:
        """Return the text of the first child of this name, or an empty string."""
        child = self.find(name)
        return "" if child is None else child.text


def parse_xml(body: bytes) -> Element:
    """Return the root of a document; BadXml if it is none."""
    if b"<!DOCTYPE" in body[:1000]:
        message = "a document type is not allowed"
        raise BadXml(message)
    try:
        return _element(ET.fromstring(body))  # noqa: S314  # no document type, so no entities
    except ET.ParseError:
        message = "the body is not well-formed XML"
        raise BadXml(message) from None


def _element(node: ET.Element) -> Element:
    return Element(
        name=node.tag.rpartition("}")[2],
        text=(node.text or "").strip() if len(node) else (node.text or ""),
        kind=node.get(f"{_XSI}type", "").rpartition(":")[2],
        is_nil=node.get(f"{_XSI}nil") in {"true", "1"},
        children=tuple(_element(child) for child in node),
    )


def write_xml(name: str, value: object, attributes: Mapping[str, str] | None = None) -> str:
    """Return an element: mappings become children (keys with an @ attributes), lists repeat it, None is xsi:nil."""
    if isinstance(value, list):
        return "".join(write_xml(name, entry, attributes) for entry in cast("list[object]", value))
    shown = "".join(f" {key}={quoteattr(text)}" for key, text in (attributes or {}).items())
    if value is None:
        return f'<{name}{shown} xsi:nil="true"/>'
    if isinstance(value, Mapping):
        inside = cast("Mapping[str, object]", value)
        shown += "".join(f" {key[1:]}={quoteattr(str(text))}" for key, text in inside.items() if key.startswith("@"))
        pairs = [(key, entry) for key, entry in inside.items() if not key.startswith("@")]
        return f"<{name}{shown}>{''.join(write_xml(key, entry) for key, entry in pairs)}</{name}>"
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    return f"<{name}{shown}>{escape(text)}</{name}>"
