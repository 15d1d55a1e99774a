"""jsforce, unmodified, from npm: every scenario of npm/jsforce_scenarios.js against an org of its own."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.npm import LOCKED, Clients
from tests.support.orgsim import start_orgsim

pytestmark = pytest.mark.npm

SCRIPT = LOCKED / "jsforce_scenarios.js"
SCENARIOS = re.findall(r"^  async (\w+)\(\)", SCRIPT.read_text(), re.MULTILINE)
KEY = {"label": "Key", "type": "Text", "length": 18, "externalId": True, "unique": True, "caseSensitive": True}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_jsforce(scenario: str, clients: Clients):
    with start_orgsim() as org:
        org.control("POST", "/fields", {"FullName": "Account.Ext__c", "Metadata": KEY})
        loose = KEY | {"label": "Loose", "unique": False, "caseSensitive": False}
        org.control("POST", "/fields", {"FullName": "Account.Loose__c", "Metadata": loose})
        ran = clients.node(SCRIPT, scenario, given=json.dumps(dict(org.ready)))
        assert ran.status == 0, ran.err
        loud = [call for call in org.transcript() if call["status"] == 501 and "nothing-like-this" not in call["path"]]
        assert loud == []
