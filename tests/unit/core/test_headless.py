"""Orgs from the environment or from `sf`: whole or refused."""

from __future__ import annotations

import json

import pytest

from isthmus.cli.headless import MASK_KEY_CHARS_MIN, find_mask_key, find_org
from isthmus.cli.output import Refused

ENVIRON = {
    "ISTHMUS_ORG_MY_PROD_INSTANCE_URL": "https://x.my.salesforce.com",
    "ISTHMUS_ORG_MY_PROD_ACCESS_TOKEN": "00D!secret",
}


def test_a_name_stands_for_its_two_variables():
    org = find_org("my-prod", ENVIRON, None)
    assert org is not None
    assert org.unverified_instance_url == "https://x.my.salesforce.com"
    assert org.token.reveal_text() == "00D!secret"
    assert "secret" not in repr(org)


def test_an_unknown_name_is_nobody():
    assert find_org("other", ENVIRON, None) is None


@pytest.mark.parametrize("half", list(ENVIRON))
def test_half_a_definition_is_refused_naming_the_other_half(half):
    other = next(key for key in ENVIRON if key != half)
    with pytest.raises(Refused, match=other):
        find_org("my_prod", {half: ENVIRON[half]}, None)


def test_the_key_of_masks_is_a_long_text_or_none_at_all():
    assert find_mask_key({}) is None
    key = find_mask_key({"ISTHMUS_MASK_KEY": "k" * MASK_KEY_CHARS_MIN})
    assert key is not None
    assert key.reveal_text() == "k" * MASK_KEY_CHARS_MIN
    with pytest.raises(Refused, match="could be tried out") as refused:
        find_mask_key({"ISTHMUS_MASK_KEY": "hunter2"})
    assert "hunter2" not in str(refused.value)


def test_sf_output_is_read():
    text = json.dumps({"status": 0, "result": {"instanceUrl": "https://y.my.salesforce.com", "accessToken": "00D!t"}})
    org = find_org("y", {}, text)
    assert org is not None
    assert org.token.reveal_text() == "00D!t"


@pytest.mark.parametrize("text", ["", "{}", '{"result": 3}', '{"result": {"instanceUrl": 1, "accessToken": 2}}', "[]"])
def test_what_is_not_sf_output_is_refused_with_the_command_to_use(text):
    with pytest.raises(Refused, match="sf org display --json"):
        find_org("y", {}, text)


@pytest.mark.parametrize("name", ["", "1x", "a b", "../x"])
def test_a_name_that_cannot_be_a_variable_is_refused(name):
    with pytest.raises(Refused, match="is no name for an org"):
        find_org(name, {}, None)
