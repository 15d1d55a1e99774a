"""Features of an org that change its schema: several currencies, person accounts. Off in a new org; see `settings`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from orgsim.schema.model import FieldDef, ObjectDef, PicklistValue
from orgsim.store.derive import person_name
from orgsim.store.results import BadValue, Row, Value, WriteContext

if TYPE_CHECKING:
    from orgsim.org import Org

CURRENCY_FIELD: Final = "CurrencyIsoCode"
CORPORATE_CURRENCY: Final = "USD"
_RATES: Final = (("USD", 1.0), ("EUR", 0.92), ("GBP", 0.79), ("JPY", 150.0))
_MONEY_OBJECTS: Final = ("account", "contact", "lead", "opportunity", "case", "user")
_PERSON_PARTS: Final[tuple[tuple[str, str, int, str], ...]] = (
    ("Salutation", "picklist", 40, "Salutation"),
    ("FirstName", "string", 40, "First Name"),
    ("LastName", "string", 80, "Last Name"),
    ("PersonEmail", "email", 80, "Email"),
    ("PersonMobilePhone", "phone", 40, "Mobile"),
    ("PersonTitle", "string", 80, "Title"),
    ("PersonBirthdate", "date", 0, "Birthdate"),
)
_ON_CONTACT: Final = {
    "Salutation": "Salutation", "FirstName": "FirstName", "LastName": "LastName", "PersonEmail": "Email",
    "PersonMobilePhone": "MobilePhone", "PersonTitle": "Title", "PersonBirthdate": "Birthdate", "OwnerId": "OwnerId",
}  # fmt: skip
_PERSON_TYPE: Final = "PersonAccount"


class Features:
    """What is switched on in the schema right now; follows the settings."""

    def __init__(self) -> None:
        self._currencies = False
        self._people = False

    def follow(self, org: Org) -> None:
        """Bring the schema in line with `multi_currency` and `person_accounts`."""
        if self._currencies != org.settings.multi_currency:
            self._currencies = org.settings.multi_currency
            (_add_currencies if self._currencies else _drop_currencies)(org)
        if self._people != org.settings.person_accounts:
            self._people = org.settings.person_accounts
            (_add_people if self._people else _drop_people)(org)


def currency_rates(org: Org) -> dict[str, float]:
    """Return how many units of each active currency one unit of the corporate currency is."""
    table = org.tables.get("currencytype")
    if table is None:
        return {}
    return {str(row["IsoCode"]): float(str(row["ConversionRate"])) for row in table.scan() if row.get("IsActive")}


def _currency_field(name: str, label: str) -> FieldDef:
    entries = [PicklistValue(code, code, default_value=code == CORPORATE_CURRENCY) for code, _ in _RATES]
    return FieldDef(
        name, "picklist", label, length=3, byte_length=9, defaulted_on_create=True, restricted_picklist=True,
        permissionable=False, picklist_values=entries,
    )  # fmt: skip


def _add_currencies(org: Org) -> None:
    for name in _MONEY_OBJECTS:
        definition = org.objects.get(name)
        if definition is None:
            continue
        definition.add_field(_currency_field(CURRENCY_FIELD, f"{definition.label} Currency"))
        if name == "user" and definition.field("DefaultCurrencyIsoCode") is None:
            definition.add_field(_currency_field("DefaultCurrencyIsoCode", "Default Currency ISO Code"))
        _fill(org, name, {CURRENCY_FIELD: CORPORATE_CURRENCY})
    org.add_object(_currency_type())
    org.load(
        "CurrencyType",
        [
            {"IsoCode": code, "ConversionRate": rate, "IsActive": True, "DecimalPlaces": 0 if code == "JPY" else 2,
             "IsCorporate": code == CORPORATE_CURRENCY}
            for code, rate in _RATES
        ],
    )  # fmt: skip


def _fill(org: Org, name: str, values: Row) -> None:
    """Give rows that exist the new fields, without touching their stamps; virtual rows stay as they are."""
    table = org.tables[name]
    if hasattr(table, "sink"):
        return
    for row in list(table.scan()):
        table.put({**values, **row})


def _drop_currencies(org: Org) -> None:
    for name in _MONEY_OBJECTS:
        if name in org.objects:
            org.objects[name].remove_field(CURRENCY_FIELD)
            org.objects[name].remove_field("DefaultCurrencyIsoCode")
    org.remove_object("CurrencyType")


def _read_only(name: str, kind: str, label: str, length: int = 0, **more: object) -> FieldDef:
    field = FieldDef(name, kind, label, length=length, createable=False, updateable=False, permissionable=False)
    for key, value in more.items():
        setattr(field, key, value)
    return field


def _currency_type() -> ObjectDef:
    return ObjectDef(
        "CurrencyType",
        "Currency Type",
        "Currency Types",
        "01L",
        fields=[
            _read_only("Id", "id", "Currency Type ID", 18, nillable=False, soap_type="tns:ID"),
            _currency_field("IsoCode", "Currency ISO Code"),
            FieldDef("ConversionRate", "double", "Conversion Rate", precision=18, scale=6, soap_type="xsd:double"),
            FieldDef("DecimalPlaces", "int", "Decimal Places", digits=8, soap_type="xsd:int"),
            FieldDef("IsActive", "boolean", "Active", soap_type="xsd:boolean", nillable=False, default_value=False),
            _read_only("IsCorporate", "boolean", "Corporate", soap_type="xsd:boolean", nillable=False),
            *(
                _read_only(name, "datetime", label, soap_type="xsd:dateTime")
                for name, label in (("CreatedDate", "Created Date"), ("LastModifiedDate", "Last Modified Date"),
                                    ("SystemModstamp", "System Modstamp"))
            ),
        ],
        deletable=False,
        setup=True,
    )  # fmt: skip


def _add_people(org: Org) -> None:
    account, contact = org.objects["account"], org.objects["contact"]
    for name, kind, length, label in _PERSON_PARTS:
        account.add_field(FieldDef(name, kind, label, length=length, byte_length=3 * length))
    account.add_field(
        _read_only("PersonContactId", "reference", "Contact ID", 18, reference_to=["Contact"],
                   relationship_name="PersonContact", soap_type="tns:ID")
    )  # fmt: skip
    for definition in (account, contact):
        definition.add_field(
            _read_only("IsPersonAccount", "boolean", "Is Person Account", soap_type="xsd:boolean", nillable=False,
                       default_value=False)
        )  # fmt: skip
    kinds = org.objects["recordtype"]
    if kinds.field("IsPersonType") is None:
        kinds.add_field(_read_only("IsPersonType", "boolean", "Is Person Type", soap_type="xsd:boolean"))
    values: dict[str, Value] = {
        "Name": "Person Account", "DeveloperName": _PERSON_TYPE, "SobjectType": "Account", "IsActive": True,
        "IsPersonType": True,
    }  # fmt: skip
    org.load("RecordType", [values])


def _drop_people(org: Org) -> None:
    for name in (*(part[0] for part in _PERSON_PARTS), "PersonContactId", "IsPersonAccount"):
        org.objects["account"].remove_field(name)
    org.objects["contact"].remove_field("IsPersonAccount")
    org.objects["recordtype"].remove_field("IsPersonType")
    for row in list(org.tables["recordtype"].scan()):
        if row.get("DeveloperName") == _PERSON_TYPE:
            org.forget("RecordType", str(row["Id"]))


def name_person(org: Org, definition: ObjectDef, row: Row, changes: Row) -> None:
    """Make a person account of an Account that has a last name, and put its Name together."""
    if not org.settings.person_accounts or definition.name != "Account":
        return
    if row.get("LastName") is None:
        row["IsPersonAccount"] = False
        return
    if changes.get("Name") is not None:
        message = "Unable to create/update fields: Name. It is put together from the parts of a person's name."
        raise BadValue(code="INVALID_FIELD_FOR_INSERT_UPDATE", message=message, fields=("Name",))
    row["IsPersonAccount"] = True
    row["Name"] = person_name(row)
    if row.get("RecordTypeId") is None:
        kind = next((r for r in org.tables["recordtype"].scan() if r.get("DeveloperName") == _PERSON_TYPE), None)
        if kind is not None:
            row["RecordTypeId"] = kind["Id"]


def follow_person(org: Org, definition: ObjectDef, row: Row, ctx: WriteContext) -> None:
    """Make or change the contact behind a person account; the platform keeps the two in step."""
    if not org.settings.person_accounts or definition.name != "Account" or not row.get("IsPersonAccount"):
        return
    values: Row = {target: row[source] for source, target in _ON_CONTACT.items() if row.get(source) is not None}
    values |= {"AccountId": row["Id"], "IsPersonAccount": True}
    contact_id = row.get("PersonContactId")
    held = org.row("Contact", contact_id) if isinstance(contact_id, str) else None
    stamps: Row = {"SystemModstamp": org.clock.stamp(), "LastModifiedDate": org.clock.stamp()}
    if held is not None:
        org.store("Contact", {**held, **values, **stamps, "LastModifiedById": ctx.user_id})
        return
    people: Row = {"CreatedById": ctx.user_id, "LastModifiedById": ctx.user_id}
    [made] = org.load("Contact", [{**values, **people}])
    org.store("Account", {**row, "PersonContactId": made})
