"""Audit settings over the portal's JSON: refused with line and remedy, never another's, never without our own proof."""

from __future__ import annotations

import json

import pytest

from tests.adversarial.test_web import SOME_ID, Answer, Client, member, product

__all__ = ["member", "product"]

PATH = f"/api/v1/audit-settings/{SOME_ID}"


def send(client: Client, body: object) -> Answer:
    token = json.loads(client.send("GET", "/api/v1/session").text)["csrf"]
    return client.send(
        "POST", PATH, json.dumps(body), Content_Type="application/json", Origin=client.product.url, X_CSRF_Token=token
    )


def test_a_connection_without_settings_has_empty_ones(member: Client) -> None:
    answer = member.send("GET", PATH)
    assert (answer.status, json.loads(answer.text)["prices"]) == (200, "")


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"thresholds": "inactive_days = 1"}, 422, "inactive_days"),
        ({"prices": "product,price\nSFDC,1\n"}, 422, "currency"),
        ({"surprise": "x"}, 400, ""),
        ({"prices": "product,price,currency\nSFDC,1,USD\n"}, 404, "Connection"),
    ],
)
def test_what_cannot_be_used_is_refused_saying_why(member: Client, body: object, status: int, says: str) -> None:
    answer = send(member, body)
    assert answer.status == status, answer.text
    assert says in answer.text
