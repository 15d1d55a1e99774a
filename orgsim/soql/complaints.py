"""Refusals of queries, with Salesforce's block that shows where in the text the trouble is."""

from __future__ import annotations

from typing import Final

from orgsim.errors import ApiError

_BEFORE: Final = 48
_AFTER: Final = 44
_BORDERS: Final = " ,"
HINT_FIELD: Final = (
    " If you are attempting to use a custom field, be sure to append the '__c' after the custom field name."
    " Please reference your WSDL or the describe call for the appropriate names."
)
HINT_ENTITY: Final = (
    " If you are attempting to use a custom object, be sure to append the '__c' after the entity name."
    " Please reference your WSDL or the describe call for the appropriate names."
)
HINT_RELATION: Final = (
    " If you are attempting to use a custom relationship, be sure to append the '__r' after the custom relationship"
    " name. Please reference your WSDL or the describe call for the appropriate names."
)


def positioned(source: str, position: int, message: str) -> str:
    """Return the message below the part of the query around the position, which begins and ends with whole words."""
    flat = source.replace("\n", " ").replace("\r", " ").replace("\t", " ")
    start, end = max(0, position - _BEFORE), min(len(flat), position + _AFTER)
    if start:
        borders = (place for place in range(start, position) if flat[place - 1] in _BORDERS and flat[place] != " ")
        start = next(borders, position)
    if end < len(flat):
        end = next((place for place in range(end, position, -1) if flat[place] in _BORDERS), end)
    row = source.count("\n", 0, position) + 1
    column = position - (source.rfind("\n", 0, position) + 1) + 1
    return f"\n{flat[start:end]}\n{' ' * (position - start)}^\nERROR at Row:{row}:Column:{column}\n{message}"


def malformed(source: str, position: int, message: str) -> ApiError:
    """Return MALFORMED_QUERY with a position."""
    return ApiError(400, "MALFORMED_QUERY", positioned(source, position, message))


def unexpected(source: str, position: int, token: str) -> ApiError:
    """Return MALFORMED_QUERY for a token that cannot stand here."""
    return malformed(source, position, f"unexpected token: '{token or '<EOF>'}'")


def invalid_field(source: str, position: int, message: str) -> ApiError:
    """Return INVALID_FIELD with a position."""
    return ApiError(400, "INVALID_FIELD", positioned(source, position, message))


def no_such_column(source: str, position: int, column: str, entity: str) -> ApiError:
    """Return the refusal for a field that does not exist for this user."""
    return invalid_field(source, position, f"No such column '{column}' on entity '{entity}'.{HINT_FIELD}")


def no_such_object(source: str, position: int, name: str) -> ApiError:
    """Return the refusal for an object that does not exist for this user."""
    message = f"sObject type '{name}' is not supported.{HINT_ENTITY}"
    return ApiError(400, "INVALID_TYPE", positioned(source, position, message))


def no_such_relation(source: str, position: int, name: str) -> ApiError:
    """Return the refusal for a parent relationship that does not exist."""
    return invalid_field(source, position, f"Didn't understand relationship '{name}' in field path.{HINT_RELATION}")


def no_such_child_relation(source: str, position: int, name: str) -> ApiError:
    """Return the refusal for a child relationship that does not exist."""
    message = f"Didn't understand relationship '{name}' in FROM part of query call.{HINT_RELATION}"
    return ApiError(400, "INVALID_TYPE", positioned(source, position, message))
