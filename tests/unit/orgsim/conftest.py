"""A small org with an administrator and somebody who may do little."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from orgsim.clock import OrgClock
from orgsim.org import Org, WriteContext
from orgsim.rest.routes import rest_routes
from orgsim.router import Router
from orgsim.schema.load import load_objects
from orgsim.wire import Request, Response, Session
from tests.unit.orgsim.samples import external_id

NOW = datetime(2026, 3, 18, 10, 30, 15, tzinfo=UTC)


@dataclass
class Api:
    """The REST interface without a socket."""

    org: Org
    router: Router
    admin: str
    clerk: str

    def call(self, method: str, target: str, body: object = None, *, user: str | None = None, headers=None) -> Response:
        session = Session(user or self.admin, "app", "app")
        if target.startswith("/") and not target.startswith(("/services", "//services")):
            target = "/services/data/v62.0" + target
        encoded = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        return self.router.dispatch(
            self.org, Request.build(method, target, body=encoded, session=session, headers=headers)
        )

    def query(self, soql: str, **kwargs) -> dict:
        return self.call("GET", "/query?q=" + quote(soql), **kwargs).payload

    def values(self, soql: str, **kwargs) -> list:
        answer = self.query(soql, **kwargs)
        assert isinstance(answer, dict), answer
        return [next(value for key, value in row.items() if key != "attributes") for row in answer["records"]]


@pytest.fixture
def api() -> Api:
    clock = OrgClock()
    clock.freeze(NOW)
    org = Org(load_objects(), name="test", seed=1, clock=clock)
    org.load("Organization", [{"Id": org.id18, "Name": "Test", "OrganizationType": "Developer Edition"}])
    licence = org.load(
        "UserLicense",
        [
            {
                "Name": "Salesforce",
                "MasterLabel": "Salesforce",
                "LicenseDefinitionKey": "SFDC",
                "TotalLicenses": 10,
                "UsedLicenses": 2,
                "Status": "Active",
            }
        ],
    )[0]
    profiles = org.load(
        "Profile",
        [{"Name": "System Administrator", "UserLicenseId": licence}, {"Name": "Clerk", "UserLicenseId": licence}],
    )
    org.load(
        "PermissionSet",
        [
            {"Name": f"X{n}", "Label": f"X{n}", "IsOwnedByProfile": True, "ProfileId": profile}
            for n, profile in enumerate(profiles)
        ],
    )
    admin, clerk = org.load(
        "User",
        [
            {
                "Username": "admin@test",
                "LastName": "Admin",
                "FirstName": "Ada",
                "Email": "a@x.org",
                "ProfileId": profiles[0],
                "IsActive": True,
                "TimeZoneSidKey": "America/Los_Angeles",
            },
            {
                "Username": "clerk@test",
                "LastName": "Clerk",
                "Email": "c@x.org",
                "ProfileId": profiles[1],
                "IsActive": True,
            },
        ],
    )
    return Api(org, Router(rest_routes()), admin, clerk)


@pytest.fixture
def org(api: Api) -> Org:
    return api.org


@pytest.fixture
def ctx(api: Api) -> WriteContext:
    return WriteContext(api.admin)


@pytest.fixture
def ext(api: Api) -> Api:
    """The interface of an org whose accounts have the external id Ext__c."""
    api.org.add_field("Account", external_id(), granted=True)
    return api
