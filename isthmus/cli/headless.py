"""Orgs without a vault: an access token from the environment or from `sf org display --json`.

`--from PROD` reads `ISTHMUS_ORG_PROD_INSTANCE_URL` and `ISTHMUS_ORG_PROD_ACCESS_TOKEN`. The token is used for this one
command and kept nowhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from isthmus.cli.output import refuse
from isthmus.values import Secret

MASK_KEY_CHARS_MIN: Final = 24
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class HeadlessOrg:
    """An org that one command may use."""

    name: str
    unverified_instance_url: str
    token: Secret


def find_org(name: str, environ: Mapping[str, str], sf_output: str | None) -> HeadlessOrg | None:
    """Return the org that `name` stands for, or None if neither the environment nor `sf_output` knows it.

    `sf_output` is the text of `sf org display --json --target-org NAME`. Refuses half a definition.
    """
    if _NAME.fullmatch(name) is None:
        refuse(f"{name!r} is no name for an org.", "Use letters, digits, dashes and underscores, for example: prod")
    if sf_output is not None:
        return _from_sf(name, sf_output)
    key = f"ISTHMUS_ORG_{name.upper().replace('-', '_')}"
    url, token = environ.get(f"{key}_INSTANCE_URL"), environ.get(f"{key}_ACCESS_TOKEN")
    if not url and not token:
        return None
    if not url or not token:
        missing = f"{key}_ACCESS_TOKEN" if url else f"{key}_INSTANCE_URL"
        refuse(f"{missing} is not set.", "An org from the environment needs both its instance URL and an access token.")
    return HeadlessOrg(name, url, _token(token, f"{key}_ACCESS_TOKEN"))


def _token(unverified: str, place: str) -> Secret:
    """Return a token that can stand in a header. What it is instead is never repeated."""
    if not unverified.isascii() or not unverified.isprintable() or " " in unverified:
        refuse(
            f"{place} is no access token: it holds blanks, line ends or characters that no token has.",
            "Copy the accessToken of `sf org display --json` again, without quotes and line ends.",
        )
    return Secret(unverified)


def find_mask_key(environ: Mapping[str, str]) -> Secret | None:
    """Return the key of the pseudonyms of a copy, from `ISTHMUS_MASK_KEY`; refuses one that could be guessed."""
    text = environ.get("ISTHMUS_MASK_KEY")
    if not text:
        return None
    if len(text) < MASK_KEY_CHARS_MIN:
        refuse(
            f"ISTHMUS_MASK_KEY has fewer than {MASK_KEY_CHARS_MIN} characters, so its pseudonyms could be tried out.",
            "Set it to a long random text, for example to the output of: openssl rand -hex 32",
        )
    return Secret(text)


def _from_sf(name: str, text: str) -> HeadlessOrg:
    remedy = f"Pipe it in: sf org display --json --target-org {name} | isthmus … --sf"
    try:
        result = json.loads(text)["result"]
        url, token = result["instanceUrl"], result["accessToken"]
    except (ValueError, KeyError, TypeError):
        refuse("Standard input is not the answer of `sf org display --json`.", remedy)
    if not isinstance(url, str) or not isinstance(token, str):
        refuse("The answer of `sf org display --json` has no instance URL and access token.", remedy)
    return HeadlessOrg(name, url, _token(token, "accessToken in the answer of `sf org display --json`"))
