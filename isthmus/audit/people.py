"""How names, e-mail addresses and user names of people are compared. Pure."""

from __future__ import annotations

import re
from typing import Final

_ENDING: Final = re.compile(r"(?:[._-](?:old|admin|adm|dup|duplicate|copy|new|test)|[._-]?\d{1,2})$")
_INVALID: Final = ".invalid"
_NO_NUMBER: Final = re.compile(r"[\W_]*(?:0*|9{3,}|x+|n[\W_]*a|none|null|nil|tbd|tba|unknown|test)[\W_]*")


def normal_email(email: str) -> str:
    """Return the address in lower case without `.invalid` and without a +tag."""
    local, at, domain = email.strip().casefold().removesuffix(_INVALID).partition("@")
    return f"{local.partition('+')[0]}{at}{domain}"


def normal_number(number: str) -> str:
    """Return an employee number in lower case; empty for what people write where there is none."""
    text = number.strip().casefold()
    return "" if _NO_NUMBER.fullmatch(text) else text


def normal_name(name: str) -> str:
    """Return the name in lower case, its words parted by single blanks."""
    return " ".join(name.casefold().split())


def username_stem(username: str) -> str:
    """Return the user name before its sign, in lower case, without endings such as `.old`, `.admin` or a number.

    An ending after the domain (`nora@acme.com.old`, as Salesforce writes it) is not part of it.
    """
    stem = username.strip().casefold().partition("@")[0].partition("+")[0]
    while (shorter := _ENDING.sub("", stem)) != stem and shorter:
        stem = shorter
    return stem
