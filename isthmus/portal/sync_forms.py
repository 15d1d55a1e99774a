"""From the fields of the sync form to a definition, the same YAML that a file would hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from isthmus.portal.problems import bad_input
from isthmus.portal.visitors import DEFINITION_LENGTH_MAX, Form
from isthmus.sync.model import OBJECTS_MAX
from isthmus.sync.spec import StepSpec, SyncSpec, spec_text
from isthmus.values import ApiName, InvalidValue, UserText

USUAL_OBJECTS: Final = ("Account", "Contact", "Opportunity", "Lead", "Case", "Campaign", "Product2", "Task")


@dataclass(frozen=True, slots=True)
class SyncValues:
    """What the form shows again after a mistake."""

    name: str = ""
    source: str = ""
    target: str = ""
    objects: tuple[str, ...] = ("Account", "Contact", "Opportunity")
    more: str = ""
    definition: str = ""


@dataclass(frozen=True, slots=True)
class SyncWish:
    """What a member wants to be saved: a definition between two connections, named as text."""

    definition: UserText
    source: str
    target: str
    values: SyncValues = field(default_factory=SyncValues)


def values_of(form: Form) -> SyncValues:
    """Return the form's fields as they are."""
    return SyncValues(
        name=form.text("name"),
        source=form.text("source"),
        target=form.text("target"),
        objects=tuple(form.texts("objects")),
        more=form.text("more"),
        definition=form.text("definition", length_max=DEFINITION_LENGTH_MAX).replace("\r\n", "\n"),
    )


def definition_of(values: SyncValues) -> UserText:
    """Return the definition: the text where one is written, else one made of the checklist. Raises `Problem`."""
    if values.definition:
        return UserText(values.definition)
    if not values.name:
        bad_input("The sync has no name.", "Give it one that your colleagues will recognise.")
    return simple_definition(values.name, [*values.objects, *values.more.replace(",", " ").split()])


def simple_definition(name: str, objects: list[str]) -> UserText:
    """Return a one-way sync of whole objects as YAML. Raises `Problem` for a name that no object can have."""
    try:
        names = list(dict.fromkeys(ApiName.parse(text) for text in objects))
    except InvalidValue as error:
        bad_input(f"An object's name cannot be used: {error}.", "For example Account or Invoice__c.")
    if not 0 < len(names) <= OBJECTS_MAX:
        bad_input("No object is chosen, or too many are.", f"Choose 1 to {OBJECTS_MAX} objects.")
    spec = SyncSpec(version=1, name=name, steps=tuple(StepSpec(object=str(one)) for one in names))
    try:
        msgspec.convert(msgspec.to_builtins(spec), SyncSpec)
    except msgspec.ValidationError:
        bad_input("The name of the sync is too long.", "Use 120 characters at most.")
    return UserText(spec_text(spec))
