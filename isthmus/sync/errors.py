"""Causes and remedies in plain language: for row failures by status code, and for runs by how they ended.

Made of codes alone, so it works without any outside service and never repeats what an org wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.model import EndReason


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why, and what to do."""

    cause: str
    remedy: str


_AGAIN: Final = "Nothing to do: these rows are read again in the next runs."

_CODES: Final[dict[str, tuple[str, str]]] = {
    "MISSING_PARENT": (
        "the record that the row belongs to is not in the target yet",
        "Check why the parent failed or is filtered out; the row is tried again in the next runs.",
    ),
    "UNPROCESSED": ("the target ended its job before it came to these rows", _AGAIN),
    "UNMAPPED": (
        "the owner, record type or value has no active counterpart in the target",
        "Create it there, add it to the map of the step, or name a fallback.",
    ),
    "TRANSFORM_FAILED": (
        "the field's expression or mask has no value for these rows, such as a text that is no date",
        "Meet the case in the expression, for example with `if(is_blank(…), …)`, or correct the rows in the source.",
    ),
    "UNREPRESENTABLE": ("a value cannot be carried in the format that the target demands", "Leave the field out."),
    "OTHER": ("the target refused with a code that is not documented", "Use Inspect to see the target's own words."),
    "REQUIRED_FIELD_MISSING": (
        "a field that the target requires is empty in these rows",
        "Fill it in the source, map it from another field, or give it a constant.",
    ),
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": (
        "a validation rule of the target refuses the rows",
        "Change the rows in the source, or except the integration user in the rule.",
    ),
    "INVALID_CROSS_REFERENCE_KEY": (
        "a reference leads to a record that does not exist in the target or that the user may not see",
        "Include the referenced object as a step, or give the user access to it.",
    ),
    "INVALID_FIELD_FOR_INSERT_UPDATE": (
        "the connected user may not write the field in the target",
        "Give the user edit access to the field, or leave it out.",
    ),
    "INVALID_FIELD": (
        "a field, or the record that a reference names, is unknown to the target",
        "Refresh the schema and check the mapping; if a parent is missing, sync it first.",
    ),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": (
        "a value is not among those of the target's restricted picklist",
        "Add the value in the target, or leave the field out.",
    ),
    "STRING_TOO_LONG": ("a text is longer than the target's field", "Lengthen the field in the target."),
    "NUMBER_OUTSIDE_VALID_RANGE": ("a number is too large for the target's field", "Widen the field in the target."),
    "INVALID_EMAIL_ADDRESS": ("an e-mail address is not one in the target's eyes", "Correct it in the source."),
    "INVALID_TYPE_ON_FIELD_IN_RECORD": ("a value has another type than the target's field", "Correct the mapping."),
    "DUPLICATE_VALUE": (
        "a value that must be unique stands in another record of the target already",
        "Merge the two records, or match on that field so that the existing one is adopted.",
    ),
    "DUPLICATE_EXTERNAL_ID": (
        "the match field's value stands in several records",
        "Make the match field unique in the target and remove the copies.",
    ),
    "DUPLICATES_DETECTED": (
        "a duplicate rule of the target refuses the rows",
        "Except the integration user in the rule, or merge the records in the target.",
    ),
    "UNABLE_TO_LOCK_ROW": (
        "other work in the target held the records, and still did after several tries",
        _AGAIN,
    ),
    "ENTITY_IS_DELETED": (
        "the record was deleted in the target",
        "Restore it from the recycle bin, or purge it there.",
    ),
    "ENTITY_IS_LOCKED": ("the record is locked by an approval in the target", "Finish the approval there."),
    "INSUFFICIENT_ACCESS_OR_READONLY": (
        "the connected user may not edit these records in the target",
        "Give the user edit access to them.",
    ),
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": (
        "the connected user may not use a record that the rows refer to",
        "Give the user access to the referenced records.",
    ),
    "INACTIVE_OWNER_OR_USER": ("a user that the rows name is inactive in the target", "Activate or replace the user."),
    "FIELD_INTEGRITY_EXCEPTION": (
        "values of a row do not fit together in the target",
        "Check dependent picklists, states and countries, and currency.",
    ),
    "FIELD_FILTER_VALIDATION_EXCEPTION": ("a lookup filter of the target refuses the rows", "Change the filter there."),
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": (
        "automation of the target (a trigger or flow) refuses the rows",
        "Look at the trigger or flow, or except the integration user there.",
    ),
    "STORAGE_LIMIT_EXCEEDED": ("the target's storage is full", "Free or buy storage, then run again."),
    "MIXED_DML_OPERATION": ("setup records and data records cannot be saved together", "Sync them by separate syncs."),
    "CIRCULAR_DEPENDENCY": ("the records would form a circle of parents", "Correct the hierarchy in the source."),
    "INVALID_STATUS": ("the status does not permit this change in the target", "Check the order of status changes."),
    "MISSING_ARGUMENT": ("the row has no value in the field that it is matched by", "Fill the field in the source."),
    "PROCESSING_HALTED": ("the target stopped after another row's failure", _AGAIN),
    "REQUEST_LIMIT_EXCEEDED": ("the org's API calls of the day are used up", "Wait, or raise the allowance."),
    "INVALID_SESSION_ID": ("the session ended", "Nothing to do: it is renewed."),
    "QUERY_TIMEOUT": ("the source took too long to answer", "Narrow the filter, or add an index to its field."),
    "MALFORMED_QUERY": ("the source does not accept the query", "Check the filter of the step."),
    "TRANSFER_REQUIRES_READ": ("the owner may not see this kind of record", "Give the owner read access."),
    "CUSTOM_APEX_ERROR": ("a trigger of the target failed", "Look at the trigger's log in the target."),
    "FLOW_EXCEPTION": ("a flow of the target failed", "Look at the flow's error in the target."),
    "API_DISABLED_FOR_ORG": ("the org does not permit the API", "Enable the API for the org's edition."),
    "API_CURRENTLY_DISABLED": ("the API is switched off at the moment", "Try again later."),
}

TRANSIENT_CODES: Final = frozenset(
    StatusCode.parse(name)
    for name in (
        "MISSING_PARENT",
        "UNPROCESSED",
        "UNABLE_TO_LOCK_ROW",
        "PROCESSING_HALTED",
        "REQUEST_LIMIT_EXCEEDED",
        "INVALID_SESSION_ID",
        "SERVER_UNAVAILABLE",
        "QUERY_TIMEOUT",
        "REQUEST_RUNNING_TOO_LONG",
        "TOO_MANY_APEX_REQUESTS",
        "ALREADY_IN_PROCESS",
    )
)
"""Codes that may pass by themselves: windows with such rows are read again without being asked."""

_ENDS: Final[dict[EndReason, tuple[str, str]]] = {
    EndReason.FINISHED: ("", ""),
    EndReason.SOURCE_LEASE_LOST: ("the source no longer accepts our grant", "Connect the source org again."),
    EndReason.TARGET_LEASE_LOST: ("the target no longer accepts our grant", "Connect the target org again."),
    EndReason.SOURCE_UNAVAILABLE: ("the source org did not answer", "Nothing to do: the next run goes on from there."),
    EndReason.TARGET_UNAVAILABLE: ("the target org did not answer", "Nothing to do: the next run goes on from there."),
    EndReason.SOURCE_LIMITED: ("the source org's API allowance is used up", "Wait, or raise the allowance."),
    EndReason.TARGET_LIMITED: ("the target org's API allowance is used up", "Wait, or raise the allowance."),
    EndReason.SOURCE_REFUSED: (
        "the source org refused to read",
        "Refresh the schema, check the filter and the fields.",
    ),
    EndReason.TARGET_REFUSED: ("the target org refused to write", "Check the connected user's rights in the target."),
    EndReason.UNEXPECTED_ANSWER: ("an org gave an answer that is not documented", "Try again; else report it."),
    EndReason.INCOMPLETE_READ: ("the source gave fewer or more rows than it announced", "Nothing to do: read again."),
    EndReason.MALFORMED_CSV: ("the source's export is not valid CSV", "Try again; if it stays, report it."),
    EndReason.BUG: ("Isthmus made a mistake", "Please report it, with the code of the run."),
    EndReason.MOVER_DIED: ("the process that moves the records was ended", "Nothing to do: the next run goes on."),
    EndReason.MOVER_REFUSED: (
        "this machine cannot lock down the process that moves records",
        "Run `isthmus doctor`; it says what the kernel lacks.",
    ),
    EndReason.DELETES_ABOVE_CEILING: (
        "more records were deleted in the source than the step's ceiling admits, so none was touched",
        "Check the deletions in the source; raise `ceiling` if they are meant, then activate the sync again.",
    ),
    EndReason.DELETES_UNPROVEN: (
        "the source no longer knows every deletion since the last run, because it keeps them for 15 days",
        "Compare the two orgs, then activate the sync again: deletions count from then on.",
    ),
    EndReason.SOURCE_BUDGET: (
        "the share of the source org's API calls that the sync may use is used up",
        "Nothing to do: it goes on by itself in an hour. `budget` in the sync sets the share.",
    ),
    EndReason.TARGET_BUDGET: (
        "the share of the target org's API calls that the sync may use is used up",
        "Nothing to do: it goes on by itself in an hour. `budget` in the sync sets the share.",
    ),
    EndReason.SOURCE_REVOKED: ("the source org was revoked, so the sync is paused", "Connect it again, then resume."),
    EndReason.TARGET_REVOKED: ("the target org was revoked, so the sync is paused", "Connect it again, then resume."),
}


def explain(code: StatusCode) -> Explanation:
    """Return cause and remedy of a row's failure; a code that has no entry is named."""
    cause, remedy = _CODES.get(code.name, (f"the target refused with {code.name}", "Look the code up at Salesforce."))
    return Explanation(cause, remedy)


def explain_end(reason: EndReason, code: StatusCode | None = None) -> Explanation:
    """Return why a run ended; both texts are empty if it ran to its end."""
    cause, remedy = _ENDS[reason]
    if code is not None and code is not StatusCode.OTHER and cause:
        cause = f"{cause} ({code.name})"
    return Explanation(cause, remedy)
