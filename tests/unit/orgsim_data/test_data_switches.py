"""Every assumption about the generated data can be turned before the org is made."""

from __future__ import annotations

import pytest

from orgsim.generate.profiles import populate
from tests.unit.orgsim_data.support import fresh_org, rows_of


@pytest.mark.fact("userlicense-audit-fields")
@pytest.mark.parametrize("switch", ["", "no"])
def test_licences_may_lack_audit_dates(switch: str):
    org = fresh_org()
    org.settings.extra["user_license_audit_fields"] = switch
    populate(org, "empty", seed=1, rows={})
    assert (org.objects["userlicense"].field("CreatedDate") is None) == (switch == "no")


@pytest.mark.fact("licence-keys-of-free-licences")
def test_free_licences_may_be_keyed_by_their_names():
    org = fresh_org()
    org.settings.extra["free_licence_keys"] = "name"
    populate(org, "empty", seed=1, rows={})
    keys = {row["Name"]: row["LicenseDefinitionKey"] for row in rows_of(org, "UserLicense")}
    assert keys["Salesforce"] == "SFDC"
    assert keys["Chatter Free"] == "Chatter Free"


@pytest.mark.fact("login-type-form")
@pytest.mark.parametrize(("switch", "shown"), [("", "Remote Access 2.0"), ("api", "Oauth2")])
def test_login_types_come_by_label_or_by_api_name(switch: str, shown: str):
    org = fresh_org()
    org.settings.extra["login_type_form"] = switch
    populate(org, "demo", seed=1, rows={"Account": 1, "Contact": 1, "Opportunity": 1})
    assert shown in {row["LoginType"] for row in rows_of(org, "LoginHistory")}
