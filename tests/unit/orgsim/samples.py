"""Field definitions that several tests use."""

from __future__ import annotations

from orgsim.schema.model import FieldDef


def external_id(name: str = "Ext__c", **changes) -> FieldDef:
    values = {
        "label": "Ext",
        "length": 18,
        "byte_length": 54,
        "custom": True,
        "external_id": True,
        "id_lookup": True,
        "unique": True,
        "case_sensitive": True,
    }
    return FieldDef(name, "string", **(values | changes))
