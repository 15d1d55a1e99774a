from __future__ import annotations

import pytest

from orgsim.describe import describe_field, describe_object
from orgsim.errors import ApiError
from orgsim.generate.profiles import populate
from orgsim.schema.load import SchemaFileFault, load_listed, load_objects, parse_field, parse_object
from orgsim.schema.model import FieldDef
from tests.unit.orgsim_data.support import fresh_org, rows_of


def test_every_reference_of_the_licence_objects_leads_to_an_object_that_exists():
    objects = load_objects()
    for name in ("user", "profile", "permissionsetlicenseassign", "permissionset", "fieldpermissions", "recordtype"):
        for field in objects[name].fields:
            if field.createable and field.type == "reference" and not field.nillable:
                assert all(target.lower() in objects for target in field.reference_to), field.name


def test_key_prefixes_and_field_names_are_unique():
    objects = load_objects()
    prefixes = [entry.key_prefix for entry in objects.values() if entry.key_prefix]
    assert len(set(prefixes)) == len(prefixes)
    for entry in objects.values():
        names = [field.name.lower() for field in entry.fields]
        assert len(set(names)) == len(names), entry.name
        assert names.count("id") == 1, entry.name


def test_each_load_gives_definitions_of_its_own():
    first, second = load_objects(), load_objects()
    first["account"].fields[3].picklist_values.clear()
    first["event"].field("RecurrenceTimeZoneSidKey").picklist_values[0].label = "changed"
    assert second["event"].field("RecurrenceTimeZoneSidKey").picklist_values[0].label != "changed"


def test_no_object_is_both_described_and_only_listed():
    listed = load_listed()
    assert len(listed) >= 90
    assert not {entry.name.lower() for entry in listed} & set(load_objects())


def test_a_field_line_says_everything():
    field = parse_field(
        'X__c picklist L40 +cunfX "A \'label\'" ref=A|B since=63 def=b help="two words" : !a|*b~Bee^AAA=', {}
    )
    assert (field.label, field.length, field.byte_length) == ("A 'label'", 40, 120)
    assert (field.createable, field.external_id, field.groupable) == (True, True, False)
    assert (field.reference_to, field.since_version, field.default_value) == (["A", "B"], 63, "b")
    assert field.inline_help_text == "two words"
    first, second = field.picklist_values
    assert (first.value, first.active, first.default_value) == ("a", False, False)
    assert (second.label, second.default_value, second.valid_for) == ("Bee", True, "AAA=")


@pytest.mark.parametrize(
    "text",
    [
        "nonsense X\n",
        "object A 001 A As\ntrue flyable\n",
        'object A 001 A As\nfields\nX string L80 +? "x"\n',
        'object A 001 A As\nfields\nX string Q80 + "x"\n',
        'object A 001 A As\nfields\nX picklist + "x" : @no_such_list\n',
        'object A 001 A As\nfields\nX string + "x" colour=red\n',
        "object A 001 A As\nchildren\nB.AId Bs quickly\n",
    ],
)
def test_a_broken_schema_file_is_refused_by_its_name(text):
    with pytest.raises(SchemaFileFault, match=r"A\.txt"):
        parse_object(text, {}, source="A.txt")


def test_fields_of_later_versions_are_absent_before():
    org = fresh_org()

    def names(version):
        return {field["name"] for field in describe_object(org, "User", "", version)["fields"]}

    assert names("63.0") - names("62.0") >= {"HasUserVerifiedEmail", "PasswordExpirationDate"}


def test_a_custom_field_shows_to_those_who_were_granted_it():
    org = fresh_org()
    seeded = populate(org, "empty", seed=1)
    field = FieldDef("Key__c", "string", "Key", 18, 54, custom=True, external_id=True, id_lookup=True, unique=True)
    org.add_field("Account", field)

    def shown(user):
        return {entry["name"]: entry for entry in describe_object(org, "account", user, "62.0")["fields"]}.get("Key__c")

    assert shown(seeded.admin_id) is None
    profile = org.row("User", seeded.admin_id)["ProfileId"]
    (own_set,) = [row["Id"] for row in rows_of(org, "PermissionSet") if row.get("ProfileId") == profile]
    grant = {"ParentId": own_set, "SobjectType": "Account", "Field": "Account.Key__c", "PermissionsRead": True}
    org.load("FieldPermissions", [grant])
    entry = shown(seeded.admin_id)
    assert entry is not None
    assert (entry["externalId"], entry["createable"], entry["updateable"]) == (True, False, False)
    org.load("FieldPermissions", [{**grant, "PermissionsEdit": True}])
    assert shown(seeded.admin_id)["updateable"] is True
    assert shown(seeded.reader_id) is None


def test_unknown_objects_and_those_behind_setup_do_not_exist():
    org = fresh_org()
    seeded = populate(org, "empty", seed=1)
    for name, user in (("Nonsense__c", seeded.admin_id), ("UserLicense", seeded.reader_id)):
        with pytest.raises(ApiError) as refused:
            describe_object(org, name, user, "62.0")
        assert refused.value.status == 404
    assert describe_object(org, "UserLicense", seeded.admin_id, "62.0")["name"] == "UserLicense"


def test_a_read_only_view_of_a_field_is_neither_createable_nor_updateable():
    entry = describe_field(FieldDef("A", "string"), editable=False)
    assert (entry["createable"], entry["updateable"]) == (False, False)
    assert len(entry) == 57
