"""The Metadata API for custom fields: CRUD calls, lists, deployments with custom objects; the rest answers 501."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from orgsim.errors import ApiError, NotEmulated
from orgsim.oauth.authority import Authority
from orgsim.router import Call
from orgsim.schema.model import ObjectDef
from orgsim.soap.deploying import Deployments, metadata_value
from orgsim.soap.envelope import METADATA, Operation, SoapCall, SoapDoor, SoapFault
from orgsim.soql.definitions import CUSTOMIZABLE
from orgsim.tooling import Tooling
from orgsim.wire import Response

_PER_CALL_MAX: Final = 10
_QUERIES_MAX: Final = 3
Results = list[Mapping[str, object] | None]


@dataclass(frozen=True, slots=True)
class MetadataService:
    """`POST /services/Soap/m/NN.0[/org]`."""

    authority: Authority
    tooling: Tooling
    deployments: Deployments

    def handle(self, call: Call) -> Response:
        """Answer one envelope."""
        operations: Mapping[str, Operation] = {
            "createMetadata": self._create,
            "updateMetadata": self._update,
            "upsertMetadata": self._upsert,
            "deleteMetadata": self._delete,
            "readMetadata": self._read,
            "describeMetadata": _describe,
            "listMetadata": self._list,
            "deploy": self._deploy,
            "checkDeployStatus": self._check_deploy,
        }
        return SoapDoor(self.authority, METADATA, METADATA).answer(call, operations, frozenset())

    def _create(self, soap: SoapCall) -> Results:
        return self._each(soap, lambda name, values: self._put(soap, name, values, must_exist=False))

    def _update(self, soap: SoapCall) -> Results:
        return self._each(soap, lambda name, values: self._put(soap, name, values, must_exist=True))

    def _upsert(self, soap: SoapCall) -> Results:
        return self._each(soap, lambda name, values: self._put(soap, name, values, must_exist=None))

    def _each(self, soap: SoapCall, work: Callable[[str, dict[str, object]], Mapping[str, object]]) -> Results:
        _may_customize(soap)
        found = soap.operation.all("metadata")
        _check_size(len(found))
        results: Results = []
        for entry in found:
            _custom_fields_only(entry.kind)
            values = {child.name: metadata_value(child) for child in entry.children if child.name != "fullName"}
            results.append(_tried(entry.value("fullName").strip(), values, work))
        return results

    def _put(
        self, soap: SoapCall, name: str, values: dict[str, object], *, must_exist: bool | None
    ) -> Mapping[str, object]:
        org = soap.call.org
        found = self.tooling.find(org, name)
        if found is not None and must_exist is not False:
            self.tooling.replace(org, found, values)
        elif must_exist is True:
            raise ApiError(
                400, "INVALID_CROSS_REFERENCE_KEY", f"In field: fullName - no CustomField named {name} found"
            )
        else:
            self.tooling.add(org, name, values, granted=False)
        return {"created": found is None} if must_exist is None else {}

    def _delete(self, soap: SoapCall) -> Results:
        _may_customize(soap)
        _custom_fields_only(soap.operation.value("type").strip())
        names = [entry.text.strip() for entry in soap.operation.all("fullNames")]
        _check_size(len(names))

        def work(name: str, _: dict[str, object]) -> Mapping[str, object]:
            found = self.tooling.find(soap.call.org, name)
            if found is None:
                text = f"In field: fullName - no CustomField named {name} found"
                raise ApiError(400, "INVALID_CROSS_REFERENCE_KEY", text)
            self.tooling.remove(soap.call.org, found)
            return {}

        return [_tried(name, {}, work) for name in names]

    def _read(self, soap: SoapCall) -> Results:
        _custom_fields_only(soap.operation.value("type").strip())
        names = [entry.text.strip() for entry in soap.operation.all("fullNames")]
        _check_size(len(names))
        records: list[Mapping[str, object] | None] = []
        for name in names:
            found = self.tooling.find(soap.call.org, name)
            if found is not None:
                view = self.tooling.metadata_of(soap.call.org, found)
                records.append({"fullName": name} | {key: value for key, value in view.items() if value is not None})
        return [{"records": records}]

    def _list(self, soap: SoapCall) -> Results:
        """List the custom fields that the org has."""
        org = soap.call.org
        queries = soap.operation.all("queries")
        if len(queries) > _QUERIES_MAX:
            raise SoapFault(code="LIMIT_EXCEEDED", message=f"at most {_QUERIES_MAX} queries per call")
        results: Results = []
        for query in queries:
            kind = query.value("type").strip()
            if kind == "CustomObject":
                results += [
                    _object_entry(entry) for entry in org.objects.values() if entry.custom or entry.name in CUSTOMIZABLE
                ]
                continue
            _custom_fields_only(kind)
            for definition in org.objects.values():
                for entry in definition.fields:
                    name = f"{definition.name}.{entry.name}"
                    if entry.custom:
                        results.append(
                            {
                                "fileName": f"objects/{definition.name}.object",
                                "fullName": name,
                                "id": self.tooling.id_of(org, definition, entry),
                                "manageableState": "unmanaged",
                                "namespacePrefix": "",
                                "type": "CustomField",
                            }
                        )
        return results

    def _deploy(self, soap: SoapCall) -> Results:
        """Start a deployment; its AsyncResult says only which one to ask for."""
        options = soap.operation.find("DeployOptions")
        chosen = {child.name: metadata_value(child) for child in options.children} if options is not None else {}
        try:
            archive = b64decode("".join(soap.operation.value("ZipFile").split()), validate=True)
        except ValueError:
            raise SoapFault(code="INVALID_OPERATION", message="ZipFile is no base64") from None
        deploy_id = self.deployments.start(soap.call.org, soap.call.user_id, archive, chosen)
        return [{"done": False, "id": deploy_id, "state": "Queued"}]

    def _check_deploy(self, soap: SoapCall) -> Results:
        details = soap.operation.value("includeDetails").strip() in {"true", "1"}
        wanted = soap.operation.value("asyncProcessId").strip()
        try:
            return [self.deployments.status(wanted, details=details)]
        except ApiError:
            text = f"invalid cross reference id: {wanted}"
            raise SoapFault(code="INVALID_CROSS_REFERENCE_KEY", message=text) from None


def _object_entry(definition: ObjectDef) -> Mapping[str, object]:
    return {
        "fileName": f"objects/{definition.name}.object",
        "fullName": definition.name,
        "id": "",
        "manageableState": "unmanaged",
        "namespacePrefix": "",
        "type": "CustomObject",
    }


def _describe(soap: SoapCall) -> Results:
    """Say which types there are: the one that is emulated, where it belongs."""
    del soap
    field_type = {
        "childXmlNames": ["CustomField"],
        "directoryName": "objects",
        "inFolder": False,
        "metaFile": False,
        "suffix": "object",
        "xmlName": "CustomObject",
    }
    return [{"metadataObjects": [field_type], "organizationNamespace": "", "partialSaveAllowed": True,
             "testRequired": False}]  # fmt: skip


def _tried(
    name: str, values: dict[str, object], work: Callable[[str, dict[str, object]], Mapping[str, object]]
) -> Mapping[str, object]:
    try:
        more = work(name, values)
    except ApiError as refused:
        errors = {"message": refused.message, "statusCode": refused.code}
        return {"errors": errors, "fullName": name, "success": False}
    return {**more, "fullName": name, "success": True}


def _custom_fields_only(kind: str) -> None:
    if kind != "CustomField":
        what = f"the metadata type {kind}"
        raise NotEmulated(what)


def _check_size(count: int) -> None:
    if count > _PER_CALL_MAX:
        text = f"at most {_PER_CALL_MAX} components per call"
        raise SoapFault(code="LIMIT_EXCEEDED", message=text)


def _may_customize(soap: SoapCall) -> None:
    if not soap.call.org.privileges(soap.call.user_id).customize_application:
        text = "insufficient access rights on object id"
        raise SoapFault(code="INSUFFICIENT_ACCESS", message=text)
