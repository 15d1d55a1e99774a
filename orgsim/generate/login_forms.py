"""What a login looks like: the columns of LoginHistory that say through which door and with which program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from orgsim.store.results import Row

# LoginType is returned by its label unless settings.extra["login_type_form"] is "api" (fact `login-type-form`).
API_NAMES: Final[Mapping[str, str]] = {
    "Application": "Application",
    "SAML Sfdc Initiated SSO": "Saml2",
    "Lightning Login": "LightningLogin",
    "Remote Access 2.0": "Oauth2",
    "Other Apex API": "OtherApi",
    "Partner Product": "Partner",
}
DESKTOPS: Final = (
    ("Chrome 141", "Windows 11"), ("Chrome 141", "Mac OSX"), ("Edge 141", "Windows 11"), ("Safari 18", "Mac OSX"),
    ("Firefox 143", "Windows 10"), ("Chrome 140", "Linux"),
)  # fmt: skip
_UI: Final[Row] = {
    "Application": "Browser", "ApiType": "N/A", "ApiVersion": "N/A", "ClientVersion": "N/A", "OptionsIsGet": False,
    "OptionsIsPost": True, "TlsProtocol": "TLS 1.3", "CipherSuite": "TLS_AES_256_GCM_SHA384",
}  # fmt: skip
PHONES: Final = (
    ("Salesforce for iOS", "Salesforce for iOS/258.020", "iPhone"),
    ("Salesforce for Android", "Salesforce for Android/258.030", "Android 15"),
)
MACHINES: Final[tuple[tuple[str, str, str | None, str], ...]] = (
    # Application, LoginType, LoginSubType, ApiType
    ("MuleSoft Anypoint", "Remote Access 2.0", "OauthClientCredentials", "N/A"),
    ("Marketo", "Other Apex API", "SoapApiLogin", "SOAP Partner"),
    ("Snowflake ETL", "Remote Access 2.0", "OauthUsernamePassword", "N/A"),
    ("DocuSign", "Remote Access 2.0", "OauthRefreshToken", "N/A"),
    ("ERP Connector", "Other Apex API", "SoapApiLogin", "SOAP Enterprise"),
    ("Data Warehouse", "Remote Access 2.0", "OauthClientCredentials", "N/A"),
    ("Boomi", "Partner Product", None, "SOAP Partner"),
    ("Jira Bridge", "Remote Access 2.0", "OauthClientCredentials", "N/A"),
)
TOOLS: Final = ("Data Loader", "Salesforce CLI", "Salesforce Inspector", "Workbench")


def browser_login(base: Row, desk: tuple[str, str], *, sso: bool) -> Row:
    return {**base, **_UI, "Browser": desk[0], "Platform": desk[1],
            "LoginType": "SAML Sfdc Initiated SSO" if sso else "Application",
            "LoginSubType": None if sso else "UsernamePasswordUiLogin",
            "AuthMethodReference": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password" if sso else None}  # fmt: skip


def phone_login(base: Row, app: str, browser: str, platform: str, sub_type: str) -> Row:
    return {**base, **_UI, "Application": app, "Browser": browser, "Platform": platform,
            "LoginType": "Remote Access 2.0", "LoginSubType": sub_type,
            "ClientVersion": browser.rpartition("/")[2]}  # fmt: skip


def tool_login(base: Row, tool: str) -> Row:
    soap = tool == "Data Loader"
    return {**base, **_UI, "Application": tool, "Browser": "Unknown", "Platform": "Unknown",
            "LoginType": "Partner Product" if soap else "Remote Access 2.0",
            "LoginSubType": "SoapApiLogin" if soap else "OauthWebServer",
            "ApiType": "SOAP Partner" if soap else "N/A", "ApiVersion": "62.0"}  # fmt: skip


def machine_login(base: Row, number: int) -> Row:
    application, login_type, sub_type, api_type = MACHINES[number % len(MACHINES)]
    return {**base, **_UI, "Application": application, "Browser": "Java (Salesforce.com)", "Platform": "Unknown",
            "LoginType": login_type, "LoginSubType": sub_type, "ApiType": api_type, "ApiVersion": "58.0"}  # fmt: skip
