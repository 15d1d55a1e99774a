"""Custom objects as their Metadata describes them."""

from __future__ import annotations

from typing import Final

from orgsim.custom_fields import INTEGRITY
from orgsim.errors import ApiError, NotEmulated
from orgsim.ids import encode_base62
from orgsim.org import Org
from orgsim.schema.load import parse_field
from orgsim.schema.model import ObjectDef
from orgsim.xmltree import Element

_FIELDS: Final = (
    'Id id L18 +dfsgaL "Record ID"',
    'OwnerId reference L18 +cudfsga "Owner ID" ref=Group|User rel=Owner',
    'IsDeleted boolean +dfsg "Deleted"',
    'Name string L80 +cundfsgaLN "Name"',
    'CreatedDate datetime +dfsa "Created Date"',
    'CreatedById reference L18 +dfsga "Created By ID" ref=User rel=CreatedBy',
    'LastModifiedDate datetime +dfsa "Last Modified Date"',
    'LastModifiedById reference L18 +dfsga "Last Modified By ID" ref=User rel=LastModifiedBy',
    'SystemModstamp datetime +dfsa "System Modstamp"',
)
_KNOWN: Final = frozenset(
    """label pluralLabel nameField deploymentStatus sharingModel externalSharingModel description gender startsWith
    enableActivities enableBulkApi enableFeeds enableHistory enableReports enableSearch enableSharing
    enableStreamingApi enableLicensing allowInChatterGroups compactLayoutAssignment actionOverrides fields
    visibility""".split()
)


def check_members(element: Element) -> None:
    """Refuse with NotEmulated what an object's description holds besides its fields and plain settings."""
    unknown = next((child.name for child in element.children if child.name not in _KNOWN), None)
    if unknown is not None:
        what = f"{unknown} of a custom object"
        raise NotEmulated(what)


def make_object(org: Org, name: str, element: Element) -> ObjectDef:
    """Add a custom object without its custom fields; ApiError if its description does not do."""
    if not name.endswith("__c"):
        raise ApiError(400, INTEGRITY, f"Entity Enumeration Or ID: bad value for restricted picklist field: {name}")
    naming = element.find("nameField")
    if not element.value("label").strip() or naming is None:
        raise ApiError(400, "REQUIRED_FIELD_MISSING", "Must specify a non-empty label for the CustomObject")
    if naming.value("type").strip() != "Text":
        what = "names of custom objects that number themselves"
        raise NotEmulated(what)
    taken = {entry.key_prefix for entry in org.objects.values()}
    prefix = next(code for number in range(62 * 62) if (code := "a" + encode_base62(number, 2)) not in taken)
    label = element.value("label").strip()
    made = ObjectDef(name, label, element.value("pluralLabel").strip() or label, prefix)
    made.fields = [parse_field(line, {}) for line in _FIELDS]
    named = made.field("Name")
    if named is not None:
        named.label = naming.value("label").strip() or "Name"
    made.custom = True
    org.add_object(made)
    return made
