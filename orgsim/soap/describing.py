"""Describes of the partner API: the elements of the WSDL of each version, in its order, nil where it says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, cast

from orgsim.describe import describe_global, describe_object
from orgsim.org import Org

_REST_ONLY: Final = frozenset({"urls", "listviewable", "lookupLayoutable", "sobjectDescribeOption"})
_EXTENSIONS: Final = frozenset({"extendedBy", "extendsInterfaces"})
_EXTENSIONS_SINCE: Final = 48  # the WSDL of version 47 has neither, REST describes of version 48 have both
_NIL: Final = frozenset(
    """keyPrefix networkScopeFieldName defaultImplementation implementedBy implementsInterfaces extendedBy
    extendsInterfaces urlDetail urlEdit urlNew recordTypeId encoding
    associateEntityType associateParentEntity""".split()
)
"""Elements that the WSDL requires and lets be nil; other elements without a value are left out."""
_PAGES: Final = {"urlDetail": "uiDetailTemplate", "urlEdit": "uiEditTemplate", "urlNew": "uiNewRecord"}
_SOAP_TYPES: Final = {"urn:address": "tns:address", "urn:location": "tns:location"}


def soap_describe_global(org: Org, user_id: str, version: str) -> dict[str, object]:
    """Return a DescribeGlobalResult."""
    answer = describe_global(org, user_id, version)
    found = cast("list[Mapping[str, object]]", answer["sobjects"])
    return {**answer, "sobjects": [_sobject(entry, version) for entry in found]}


def soap_describe(org: Org, name: str, user_id: str, version: str) -> dict[str, object]:
    """Return a DescribeSObjectResult; ApiError 404 if the object does not exist for this user."""
    answer = describe_object(org, name, user_id, version)
    urls = cast("Mapping[str, object]", answer["urls"])
    described = _sobject(answer, version) | {shown: urls.get(key) for shown, key in _PAGES.items()}
    described["fields"] = [_field(entry) for entry in cast("list[Mapping[str, object]]", answer["fields"])]
    kinds = cast("list[Mapping[str, object]]", answer["recordTypeInfos"])
    described["recordTypeInfos"] = [_plain(entry) for entry in kinds]
    return dict(sorted(described.items()))


def _sobject(entry: Mapping[str, object], version: str) -> dict[str, object]:
    left_out = _REST_ONLY | (_EXTENSIONS if int(version.partition(".")[0]) < _EXTENSIONS_SINCE else frozenset[str]())
    shown = {name: value for name, value in entry.items() if name not in left_out}
    return _plain({**shown, "idEnabled": False})


def _field(entry: Mapping[str, object]) -> dict[str, object]:
    return _plain({**entry, "soapType": _SOAP_TYPES.get(str(entry["soapType"]), entry["soapType"])})


def _plain(entry: Mapping[str, object]) -> dict[str, object]:
    kept = ((name, value) for name, value in sorted(entry.items()) if name not in _REST_ONLY)
    return {name: _value(value) for name, value in kept if value is not None or name in _NIL}


def _value(value: object) -> object:
    if isinstance(value, dict):
        return _plain(cast("dict[str, object]", value))
    if isinstance(value, list):
        return [_value(part) for part in cast("Iterable[object]", value)]
    return value
