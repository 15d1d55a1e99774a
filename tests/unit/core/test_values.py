"""The words of the product: what they accept, and what they never show."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.values import Alias, ApiName, InvalidValue, OrgHost, Secret


@pytest.mark.parametrize("name", ["Account", "SwiftPort_Source_Id__c", "a", "A" * 80])
def test_an_api_name_is_accepted_as_it_is(name):
    assert ApiName.parse(name) == name


@pytest.mark.parametrize("name", ["", "1a", "A b", "A-b", "Á", "A" * 81, "A\n", "A.b", "A;DROP", "Ⅳ"])
def test_what_is_no_api_name_is_refused_without_being_repeated(name):
    with pytest.raises(InvalidValue) as refusal:
        ApiName.parse(name)
    if len(name) > 1:
        assert name not in str(refusal.value)


def test_an_alias_is_lower_cased_and_checked():
    assert Alias.parse(" Prod-EU ") == "prod-eu"
    for wrong in ("", "-a", "a_b", "ä", "a" * 41):
        with pytest.raises(InvalidValue):
            Alias.parse(wrong)


@given(st.text(min_size=4))
def test_a_secret_shows_nothing_of_itself(text):
    secret = Secret(text)
    shown = {repr(secret), str(secret), f"{secret}", f"{secret!r:>3}", "{}".format(secret)}
    assert all(item.strip() == "<Secret>" for item in shown)
    assert secret.reveal_text() == text


def test_a_secret_cannot_be_pickled_copied_compared_or_hashed():
    secret = Secret("token")
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.copy(secret)
    with pytest.raises(TypeError):
        _ = secret == Secret("token")
    with pytest.raises(TypeError):
        hash(secret)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        (OrgHost("https", "a.my.salesforce.com", 443), "https://a.my.salesforce.com"),
        (OrgHost("http", "127.0.0.1", 8123), "http://127.0.0.1:8123"),
        (OrgHost("http", "127.0.0.1", 80), "http://127.0.0.1"),
    ],
)
def test_an_origin_names_the_port_only_where_it_is_unusual(host, origin):
    assert host.origin == origin
