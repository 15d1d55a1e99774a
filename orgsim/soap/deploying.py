"""Deployments of the Metadata API: custom objects and fields out of a zip, for SOAP and REST alike.

A deployment is carried out when it is asked for and reported when its status is. Types other than CustomObject and
CustomField, and members of an object other than its fields, are NotEmulated.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from orgsim.bulk.ingest import multipart_parts
from orgsim.custom_objects import check_members, make_object
from orgsim.errors import ApiError, NotEmulated, not_found
from orgsim.oauth import people
from orgsim.org import Org
from orgsim.router import Call, Route
from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.store.values import json_value
from orgsim.tooling import Tooling
from orgsim.wire import Response, json_response
from orgsim.xmltree import BadXml, Element, parse_xml

DEPLOY_PREFIX: Final = "0Af"
_ZIP_BYTES_MAX: Final = 39 * 1024 * 1024
_NUMBERS: Final = frozenset({"length", "precision", "scale", "visibleLines", "startingNumber"})
_MANY: Final = frozenset({"value"})
_TYPES: Final = frozenset({"CustomField", "CustomObject"})
_OPTIONS: Final = (
    "allowMissingFiles", "autoUpdatePackage", "checkOnly", "ignoreWarnings", "performRetrieve", "purgeOnDelete",
    "rollbackOnError", "singlePackage",
)  # fmt: skip
_BASE: Final = "/services/data/{version}/metadata/deployRequest"


def metadata_value(element: Element) -> object:
    """Return a member of a component as Python: numbers and booleans where the type has them, lists of `value`."""
    if element.children:
        shown: dict[str, object] = {}
        for child in element.children:
            if child.name in _MANY:
                shown[child.name] = [metadata_value(entry) for entry in element.all(child.name)]
            else:
                shown[child.name] = metadata_value(child)
        return shown
    text = element.text.strip()
    if element.name in _NUMBERS and text.isdigit():
        return int(text)
    return {"true": True, "false": False}.get(text, text)


@dataclass(frozen=True, slots=True)
class Package:
    """What a zip holds: its manifest by type, the object files by object name, and what it wants removed."""

    members: Mapping[str, frozenset[str]]
    objects: Mapping[str, Element]
    removals: tuple[str, ...]

    def names(self, kind: str, name: str) -> bool:
        """Say whether the manifest names a component."""
        wanted = self.members.get(kind, frozenset())
        return name in wanted or (kind == "CustomObject" and "*" in wanted and name.endswith("__c"))


@dataclass(slots=True)
class Deployments:
    """The deployments of one org by id, and the REST routes to them."""

    tooling: Tooling
    results: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    options: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])

    def routes(self) -> tuple[Route, ...]:
        """Return the REST routes."""
        return (
            Route("POST", _BASE, self.post),
            Route("GET", _BASE, _missing),
            Route("GET", f"{_BASE}/{{id}}", self.get),
            Route("PATCH", f"{_BASE}/{{id}}", _missing),
        )

    def post(self, call: Call) -> Response:
        """`POST metadata/deployRequest`: a form with the zip and `entity_content`, the options as JSON."""
        kind = call.request.headers.get("content-type", "")
        if not kind.lower().startswith("multipart/form-data"):
            what = "a deployRequest that is no form (the deployment of what was validated before)"
            raise NotEmulated(what)
        parts = multipart_parts(call.request.body or b"", kind)
        wanted = _wanted_options(parts.get("entity_content") or parts.get("json") or b"{}")
        deploy_id = self.start(call.org, call.user_id, parts.get("file", b""), wanted)
        begun = {**self.status(deploy_id, details=False), "status": "Pending", "done": False, "success": False}
        return json_response(self._view(deploy_id, begun), 201)

    def get(self, call: Call) -> Response:
        """`GET metadata/deployRequest/<id>`."""
        details = (call.request.param("includeDetails") or "").lower() == "true"
        return json_response(self._view(call.params["id"], self.status(call.params["id"], details=details)))

    def _view(self, deploy_id: str, result: dict[str, object]) -> dict[str, object]:
        options = self.options[deploy_id]
        return {"id": deploy_id, "validatedDeployRequestId": None, "deployResult": result, "deployOptions": options}

    def status(self, deploy_id: str, *, details: bool) -> dict[str, object]:
        """Return a DeployResult; ApiError 404 if there was no such deployment."""
        result = self.results.get(deploy_id)
        if result is None:
            raise not_found()
        empty: dict[str, object] = {"componentFailures": [], "componentSuccesses": []}
        return result if details else {**result, "details": empty}

    def start(self, org: Org, user_id: str, archive: bytes, options: Mapping[str, object]) -> str:
        """Carry out a deployment and return its id; ApiError if the zip cannot be read or the user may not."""
        if not org.privileges(user_id).customize_application:
            raise ApiError(403, "INSUFFICIENT_ACCESS", "insufficient access rights on object id")
        chosen: dict[str, object] = {name: options.get(name) is True for name in _OPTIONS}
        if options.get("runAllTests") is True or options.get("testLevel") not in (None, "", "NoTestRun"):
            chosen["testLevel"] = options.get("testLevel")  # there is no Apex here, so there are no tests to run
        messages = _Work(org, self.tooling, read_package(archive)).carried_out(chosen)
        deploy_id = org.new_id(DEPLOY_PREFIX)
        self.options[deploy_id] = chosen
        self.results[deploy_id] = _result(org, user_id, deploy_id, chosen, messages)
        return deploy_id


def read_package(archive: bytes) -> Package:
    """Return what a zip holds; ApiError if it is no package, NotEmulated for types that are not here."""
    if len(archive) > _ZIP_BYTES_MAX:
        raise ApiError(400, "LIMIT_EXCEEDED", "Maximum size of request reached. Maximum size of request is 39 MB")
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            files = {name: opened.read(name) for name in opened.namelist() if not name.endswith("/")}
    except (zipfile.BadZipFile, ValueError):
        raise ApiError(400, "INVALID_OPERATION", "Zip file could not be read") from None
    manifest = min((name for name in files if name.rpartition("/")[2] == "package.xml"), key=len, default=None)
    if manifest is None or manifest.count("/") > 1:
        raise ApiError(400, "INVALID_OPERATION", "No package.xml found")
    root = manifest.removesuffix("package.xml")
    objects: dict[str, Element] = {}
    removals: list[str] = []
    for name, content in files.items():
        short = name.removeprefix(root)
        if short.startswith("objects/") and short.endswith(".object"):
            objects[short.removeprefix("objects/").removesuffix(".object")] = _xml(content)
        elif short.startswith("destructiveChanges") and short.endswith(".xml"):
            removals += _removals(_members(_xml(content)))
        elif short != "package.xml":
            what = f"deploying {short.partition('/')[0]}"
            raise NotEmulated(what)
    return Package(_members(_xml(files[manifest])), objects, tuple(removals))


def _members(root: Element) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for entry in root.all("types"):
        kind = entry.value("name").strip()
        if kind not in _TYPES:
            what = f"deploying the metadata type {kind}"
            raise NotEmulated(what)
        found[kind] = frozenset(member.text.strip() for member in entry.all("members"))
    return found


def _removals(members: Mapping[str, frozenset[str]]) -> list[str]:
    if members.get("CustomObject"):
        what = "destructive changes of CustomObject"
        raise NotEmulated(what)
    return sorted(members.get("CustomField", ()))


def _xml(content: bytes) -> Element:
    try:
        return parse_xml(content)
    except BadXml:
        raise ApiError(400, "INVALID_OPERATION", "Error parsing file") from None


@dataclass(slots=True)
class _Work:
    """One deployment while it goes on."""

    org: Org
    tooling: Tooling
    package: Package

    def carried_out(self, options: Mapping[str, object]) -> list[dict[str, object]]:
        """Make all changes and return a message per component; nothing stays if one fails and all shall be undone."""
        take_back = self._remembered()
        try:
            messages = [*self._objects(), *self._removed()]
        except NotEmulated:
            take_back()
            raise
        if options["allowMissingFiles"] is not True:
            messages += self._not_found()
        failed = any(message["success"] is False for message in messages)
        if options["checkOnly"] is True or (failed and options["rollbackOnError"] is True):
            take_back()
        return messages

    def _remembered(self) -> Callable[[], None]:
        fields = {name: list(entry.fields) for name, entry in self.org.objects.items()}
        guarded, ids, given = set(self.org.guarded_fields), dict(self.tooling.ids), dict(self.tooling.given)

        def take_back() -> None:
            for name in set(self.org.objects) - set(fields):
                self.org.remove_object(name)
            for name, kept in fields.items():
                self.org.objects[name].fields[:] = kept
                self.org.objects[name].remove_field("")  # drops the definition's own index of names
            self.org.guarded_fields = guarded
            self.tooling.ids, self.tooling.given = ids, given
            self.org.metadata_changed()

        return take_back

    def _objects(self) -> Iterator[dict[str, object]]:
        for name, element in self.package.objects.items():
            path, named = f"objects/{name}.object", self.package.names("CustomObject", name)
            if named:
                yield self._object(name, element, path)
            for entry in element.all("fields"):
                full_name = f"{name}.{entry.value('fullName').strip()}"
                if named or self.package.names("CustomField", full_name):
                    yield self._field(full_name, entry, path)

    def _object(self, name: str, element: Element, path: str) -> dict[str, object]:
        found = self.org.objects.get(name.lower())
        check_members(element)
        try:
            made = make_object(self.org, name, element) if found is None else None
        except ApiError as refused:
            return _failure("CustomObject", name, path, refused.message)
        return _success("CustomObject", name, path, created=made is not None, changed=made is not None)

    def _field(self, full_name: str, entry: Element, path: str) -> dict[str, object]:
        values = {child.name: metadata_value(child) for child in entry.children if child.name != "fullName"}
        try:
            found = self.tooling.find(self.org, full_name)
            if found is None:
                self.tooling.add(self.org, full_name, values, granted=False)
            else:
                self.tooling.replace(self.org, found, values)
        except ApiError as refused:
            return _failure("CustomField", full_name, path, refused.message)
        view = _success("CustomField", full_name, path, created=found is None, changed=True)
        owner, made = _found(self.org, full_name)
        return view | {"id": self.tooling.id_of(self.org, owner, made)}

    def _removed(self) -> Iterator[dict[str, object]]:
        path = "destructiveChanges.xml"
        for full_name in self.package.removals:
            found = self.tooling.find(self.org, full_name)
            if found is None:
                text = f"No CustomField named: {full_name} found"
                yield {**_success("CustomField", full_name, path), "problem": text, "problemType": "Warning"}
            else:
                self.tooling.remove(self.org, found)
                yield {**_success("CustomField", full_name, path, changed=True), "deleted": True}

    def _not_found(self) -> Iterator[dict[str, object]]:
        there = {
            f"{name}.{entry.value('fullName').strip()}"
            for name, element in self.package.objects.items()
            for entry in element.all("fields")
        }
        missing = [("CustomField", name) for name in self.package.members.get("CustomField", frozenset()) - there]
        wanted = self.package.members.get("CustomObject", frozenset()) - {"*"}
        missing += [("CustomObject", name) for name in wanted - set(self.package.objects)]
        for kind, name in sorted(missing):
            text = f"An object '{name}' of type {kind} was named in package.xml, but was not found in zipped directory"
            yield _failure("", name, "package.xml", text)


def _found(org: Org, full_name: str) -> tuple[ObjectDef, FieldDef]:
    owner, _, name = full_name.partition(".")
    names = ("task",) if owner.lower() == "activity" else (owner.lower(),)
    definition = org.objects[names[0]]
    made = definition.field(name)
    if made is None:
        raise not_found()
    return definition, made


def _success(kind: str, name: str, path: str, *, created: bool = False, changed: bool = False) -> dict[str, object]:
    return {"changed": changed, "componentType": kind, "created": created, "deleted": False, "fileName": path,
            "fullName": name, "success": True}  # fmt: skip


def _failure(kind: str, name: str, path: str, problem: str) -> dict[str, object]:
    more = {"problem": problem, "problemType": "Error", "success": False}
    return {**_success(kind, name, path), **more}


def _result(
    org: Org, user_id: str, deploy_id: str, options: Mapping[str, object], messages: list[dict[str, object]]
) -> dict[str, object]:
    """Return a DeployResult, its members in the order of the WSDL."""
    now = json_value(org.clock.now())
    who = people.by_id(org, user_id)
    messages = [{**message, "createdDate": now} for message in messages]
    failures = [message for message in messages if message["success"] is False]
    done = [message for message in messages if message["success"] is True]
    ok = not failures
    partial = bool(done) and options["rollbackOnError"] is not True
    tests = {"numFailures": 0, "numTestsRun": 0, "totalTime": 0.0}
    manifest = {**_success("", "package.xml", "package.xml", changed=True), "createdDate": now}
    return {
        "checkOnly": options["checkOnly"],
        "completedDate": now,
        "createdBy": user_id[:15],
        "createdByName": "" if who is None else who.text("Name"),
        "createdDate": now,
        "details": {
            "componentFailures": [dict(sorted(message.items())) for message in failures],
            "componentSuccesses": [dict(sorted(message.items())) for message in (*done, manifest)],
            "runTestResult": tests,
        },
        "done": True,
        "id": deploy_id,
        "ignoreWarnings": options["ignoreWarnings"],
        "lastModifiedDate": now,
        "numberComponentErrors": len(failures),
        "numberComponentsDeployed": len(done) if ok or partial else 0,
        "numberComponentsTotal": len(messages),
        "numberTestErrors": 0,
        "numberTestsCompleted": 0,
        "numberTestsTotal": 0,
        "rollbackOnError": options["rollbackOnError"],
        "runTestsEnabled": False,
        "startDate": now,
        "status": "Succeeded" if ok else "SucceededPartial" if partial else "Failed",
        "success": ok,
    }


def _wanted_options(body: bytes) -> dict[str, object]:
    try:
        wanted = msgspec.json.decode(body, type=dict[str, dict[str, object]])
    except msgspec.DecodeError:
        raise ApiError(400, "JSON_PARSER_ERROR", "deployOptions are no JSON object") from None
    return wanted.get("deployOptions", {})


def _missing(call: Call) -> Response:
    what = f"{call.request.method} of deployRequest"
    raise NotEmulated(what)
