"""The headers of a SOAP envelope that change what a call does, and those that have nothing to change here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from orgsim.errors import NotEmulated
from orgsim.xmltree import Element

_WITHOUT_EFFECT: Final = frozenset({"DisableFeedTrackingHeader", "EmailHeader", "StreamingEnabledHeader"})
"""About feeds and e-mails, which orgsim has not, and about how an answer is written."""
_LOGIN: Final = "login"
_TRUE: Final = frozenset({"true", "1"})


@dataclass(frozen=True, slots=True)
class SoapOptions:
    """What the headers of an envelope ask for. `as_rest` are those that REST has too, as REST writes them."""

    token: str = ""
    batch_size: str = ""
    all_or_none: bool = False
    truncate: bool = False
    organization: str = ""
    as_rest: dict[str, str] = field(default_factory=dict[str, str])


def read_headers(header: Element | None, operation: str) -> SoapOptions:
    """Return what the headers ask of an operation. Raises NotEmulated for what orgsim cannot do."""
    token = batch_size = organization = ""
    all_or_none = truncate = False
    as_rest: dict[str, str] = {}
    for entry in () if header is None else header.children:
        match entry.name:
            case "SessionHeader":
                token = entry.value("sessionId").strip()
            case "LoginScopeHeader" if operation == _LOGIN and not entry.value("portalId").strip():
                organization = entry.value("organizationId").strip()
            case "QueryOptions":
                batch_size = entry.value("batchSize").strip()
            case "AllOrNoneHeader":
                all_or_none = _flag(entry, "allOrNone")
            case "AllowFieldTruncationHeader":
                truncate = _flag(entry, "allowFieldTruncation")
            case "AssignmentRuleHeader" if not entry.value("assignmentRuleId").strip():
                as_rest["sforce-auto-assign"] = str(_flag(entry, "useDefaultRule")).upper()
            case "DuplicateRuleHeader" if not _flag(entry, "includeRecordDetails"):
                as_rest["sforce-duplicate-rule-header"] = f"allowSave={str(_flag(entry, 'allowSave')).lower()}"
            case "CallOptions" if operation == _LOGIN:
                pass  # no name of the call could be in the default namespace, which some clients always give
            case name if name in _WITHOUT_EFFECT or _changes_nothing(entry):
                pass
            case name:
                what = f"the SOAP header {name}"
                raise NotEmulated(what)
    return SoapOptions(token, batch_size, all_or_none, truncate, organization, as_rest)


def _changes_nothing(entry: Element) -> bool:
    match entry.name:
        case "CallOptions":
            return not entry.value("defaultNamespace").strip()
        case "MruHeader":
            return not _flag(entry, "updateMru")
        case "LocaleOptions":
            return entry.value("language").strip() in {"", "en_US"}
        case _:
            return False


def _flag(entry: Element, name: str) -> bool:
    return entry.value(name).strip().lower() in _TRUE
