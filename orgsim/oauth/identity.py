"""Who am I: userinfo, the identity URL, OpenID discovery, and the key set."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from orgsim.ids import normalize_id
from orgsim.oauth import people
from orgsim.oauth.apps import KNOWN_SCOPES
from orgsim.oauth.authority import Authority, bearer_token
from orgsim.router import Call
from orgsim.wire import Response, json_response

_TEXT: Final = (("Content-Type", "text/plain;charset=UTF-8"),)
_CALLBACK_NAME: Final = re.compile(r"[A-Za-z_$][\w$.]{0,100}")
_PATHS: Final = {
    "enterprise": "/services/Soap/c/{version}/{org}",
    "metadata": "/services/Soap/m/{version}/{org}",
    "partner": "/services/Soap/u/{version}/{org}",
    "rest": "/services/data/v{version}/",
    "sobjects": "/services/data/v{version}/sobjects/",
    "search": "/services/data/v{version}/search/",
    "query": "/services/data/v{version}/query/",
    "recent": "/services/data/v{version}/recent/",
    "tooling_soap": "/services/Soap/T/{version}/{org}",
    "tooling_rest": "/services/data/v{version}/tooling/",
    "profile": "/{user}",
    "feeds": "/services/data/v{version}/chatter/feeds",
    "groups": "/services/data/v{version}/chatter/groups",
    "users": "/services/data/v{version}/chatter/users",
    "feed_items": "/services/data/v{version}/chatter/feed-items",
    "feed_elements": "/services/data/v{version}/chatter/feed-elements",
    "custom_domain": "",
}


@dataclass(frozen=True, slots=True)
class IdentityService:
    """The read-only neighbours of OAuth."""

    authority: Authority

    def userinfo(self, call: Call) -> Response:
        """`GET|POST /services/oauth2/userinfo`: OpenID claims of the caller; 403 text for a bad token."""
        session = self.authority.session_for(call.request)
        person = people.by_id(call.org, session.user_id) if session is not None else None
        if person is None:
            return Response(403, b"Bad_OAuth_Token", _TEXT)
        sub = self.authority.identity_url(person.user_id)
        claims: dict[str, object] = {
            "sub": sub,
            "user_id": person.user_id,
            "organization_id": call.org.id18,
            "preferred_username": person.username,
            "nickname": person.text("CommunityNickname") or person.text("Alias"),
            "name": person.name,
            "email": person.text("Email"),
            "email_verified": True,
            "given_name": person.text("FirstName"),
            "family_name": person.text("LastName"),
            "zoneinfo": person.text("TimeZoneSidKey") or "GMT",
            "photos": _photos(call.org.instance_url),
            "profile": f"{call.org.instance_url}/{person.user_id}",
            "picture": f"{call.org.instance_url}/profilephoto/005/F",
            "address": {},
            "is_salesforce_integration_user": False,
            "urls": self._urls(person, None),
            "active": person.is_active,
            "user_type": _user_type(person),
            "language": person.text("LanguageLocaleKey") or "en_US",
            "locale": person.text("LocaleSidKey") or "en_US",
            "utcOffset": _utc_offset_ms(person, call.org.clock.now()),
            "updated_at": _iso(person),
            "is_app_installed": True,
        }
        return json_response(claims)

    def identity(self, call: Call) -> Response:
        """`GET /id/<org>/<user>`: the identity document, also as XML and JSONP."""
        if bearer_token(call.request) is None:
            return Response(403, b"Missing_OAuth_Token", _TEXT)
        session = self.authority.session_for(call.request)
        if session is None:
            return Response(403, b"Bad_OAuth_Token", _TEXT)
        if normalize_id(call.params["org"]) != call.org.id18:
            return Response(403, b"Wrong_Org", _TEXT)
        person = people.by_id(call.org, normalize_id(call.params["user"]) or "")
        if person is None:
            return Response(403, b"Bad_Id", _TEXT)
        document = self._document(call, person, session.user_id)
        return _presented(call, document)

    def discovery(self, call: Call) -> Response:
        """`GET /.well-known/openid-configuration`."""
        base = call.org.instance_url
        return json_response(
            {
                "issuer": base,
                "authorization_endpoint": f"{base}/services/oauth2/authorize",
                "token_endpoint": f"{base}/services/oauth2/token",
                "revocation_endpoint": f"{base}/services/oauth2/revoke",
                "userinfo_endpoint": f"{base}/services/oauth2/userinfo",
                "jwks_uri": f"{base}/id/keys",
                "registration_endpoint": f"{base}/services/oauth2/register",
                "introspection_endpoint": f"{base}/services/oauth2/introspect",
                "scopes_supported": sorted(KNOWN_SCOPES),
                "response_types_supported": ["code", "token", "token id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "display_values_supported": ["page", "popup", "touch"],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_post",
                    "client_secret_basic",
                    "private_key_jwt",
                ],
                "claims_supported": ["active", "email", "email_verified", "family_name", "given_name", "name", "sub"],
                "code_challenge_methods_supported": ["S256"],
                "end_session_endpoint": f"{base}/services/auth/idp/oidc/logout",
                "frontchannel_logout_supported": True,
                "frontchannel_logout_session_supported": False,
            }
        )

    def jwks(self, call: Call) -> Response:
        """`GET /id/keys`: the public half of the key that signs id_tokens."""
        del call
        return json_response(self.authority.key.jwks())

    def _document(self, call: Call, person: people.Person, asker: str) -> dict[str, object]:
        version = call.request.param("version")
        if version == "latest":
            version = "67.0"
        return {
            "id": self.authority.identity_url(person.user_id),
            "asserted_user": person.user_id == asker,
            "user_id": person.user_id,
            "organization_id": call.org.id18,
            "username": person.username,
            "nick_name": person.text("CommunityNickname") or person.text("Alias"),
            "display_name": person.name,
            "email": person.text("Email"),
            "email_verified": True,
            "first_name": person.text("FirstName"),
            "last_name": person.text("LastName"),
            "timezone": person.text("TimeZoneSidKey") or "GMT",
            "photos": _photos(call.org.instance_url),
            "addr_street": None,
            "addr_city": None,
            "addr_state": None,
            "addr_country": None,
            "addr_zip": None,
            "mobile_phone": person.text("MobilePhone") or None,
            "mobile_phone_verified": False,
            "is_lightning_login_user": False,
            "status": {"created_date": None, "body": None},
            "urls": self._urls(person, version),
            "active": person.is_active,
            "user_type": _user_type(person),
            "language": person.text("LanguageLocaleKey") or "en_US",
            "locale": person.text("LocaleSidKey") or "en_US",
            "utcOffset": _utc_offset_ms(person, call.org.clock.now()),
            "last_modified_date": _iso(person),
            "is_app_installed": True,
        }

    def _urls(self, person: people.Person, version: str | None) -> dict[str, str]:
        org = self.authority.org
        paths = {
            name: path.replace("{user}", person.user_id).replace("{org}", org.id15) for name, path in _PATHS.items()
        }
        shown = {name: org.instance_url + path for name, path in paths.items()}
        return {name: url.replace("{version}", version) if version else url for name, url in shown.items()}


def _presented(call: Call, document: dict[str, object]) -> Response:
    if call.request.param("format") == "xml":
        body = f'<?xml version="1.0" encoding="UTF-8"?>{_as_xml("user", document)}'
        return Response(200, body.encode(), (("Content-Type", "application/xml;charset=UTF-8"),))
    callback = call.request.param("callback")
    if callback is not None and _CALLBACK_NAME.fullmatch(callback):
        body = callback.encode() + b"(" + msgspec.json.encode(document) + b");"
        return Response(200, body, (("Content-Type", "application/javascript;charset=UTF-8"),))
    return json_response(document)


def _as_xml(name: str, value: object) -> str:
    if isinstance(value, dict):
        inner = "".join(_as_xml(str(key), entry) for key, entry in value.items())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # a JSON value of ours
        return f"<{name}>{inner}</{name}>"
    if value is None:
        return f'<{name} xsi:nil="true" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>'
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(text)}</{name}>"


def _photos(base: str) -> dict[str, str]:
    return {"picture": f"{base}/profilephoto/005/F", "thumbnail": f"{base}/profilephoto/005/T"}


def _user_type(person: people.Person) -> str:
    return (person.text("UserType") or "Standard").upper()


def _iso(person: people.Person) -> str:
    stamp = person.row.get("LastModifiedDate")
    return stamp.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(stamp, datetime) else ""


def _utc_offset_ms(person: people.Person, now: datetime) -> int:
    try:
        zone = ZoneInfo(person.text("TimeZoneSidKey") or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return 0
    return int((now.astimezone(zone).utcoffset() or timedelta()) / timedelta(milliseconds=1))
