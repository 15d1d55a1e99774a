"""SOAP envelopes: the call inside one, its session, answers and faults. Shared by the partner and metadata services."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final
from xml.sax.saxutils import escape

from orgsim.errors import NOT_EMULATED, ApiError, NotEmulated
from orgsim.oauth.authority import Authority
from orgsim.router import Call
from orgsim.settings import NEWEST_VERSION, OLDEST_VERSION
from orgsim.soap.headers import SoapOptions, read_headers
from orgsim.store.results import SaveResult
from orgsim.wire import Response
from orgsim.xmltree import XSI_NAMESPACE, BadXml, Element, parse_xml, write_xml

PARTNER: Final = "urn:partner.soap.sforce.com"
PARTNER_FAULTS: Final = "urn:fault.partner.soap.sforce.com"
ENTERPRISE: Final = "urn:enterprise.soap.sforce.com"
ENTERPRISE_FAULTS: Final = "urn:fault.enterprise.soap.sforce.com"
METADATA: Final = "http://soap.sforce.com/2006/04/metadata"
_XML: Final = (("Content-Type", "text/xml;charset=UTF-8"),)
SOBJECTS: Final = "urn:sobject.partner.soap.sforce.com"
_ROW_BY_ROW: Final = frozenset({"convertLead", "emptyRecycleBin", "merge", "undelete"})
_SESSION_TEXT: Final = "Invalid Session ID found in SessionHeader: Illegal Session. Session not found"


_UNEXPECTED: Final = "UnexpectedErrorFault"
_KINDS: Final = {
    "INVALID_FIELD": "InvalidFieldFault",
    "INVALID_TYPE": "InvalidSObjectFault",
    "INVALID_QUERY_FILTER_OPERATOR": "MalformedQueryFault",
    "INVALID_QUERY_LOCATOR": "InvalidQueryLocatorFault",
    "MALFORMED_ID": "InvalidIdFault",
    "MALFORMED_QUERY": "MalformedQueryFault",
    "MALFORMED_SEARCH": "MalformedSearchFault",
}
"""Which fault of the WSDL says what is wrong with an argument; clients in typed languages catch them by kind."""
_PLACED: Final = frozenset({"InvalidFieldFault", "InvalidSObjectFault", "MalformedQueryFault", "MalformedSearchFault"})
_PLACE: Final = re.compile(r"\nERROR at Row:(\d+):Column:(\d+)\n")


class SoapFault(Exception):
    """A refusal of the whole call; `code` is an ExceptionCode. `kind` names the element in the detail."""

    def __init__(self, code: str, message: str, *, kind: str = _UNEXPECTED) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.kind = kind


@dataclass(frozen=True, slots=True)
class SoapCall:
    """One operation with its arguments; `call` carries the session of the SessionHeader, if that is good."""

    call: Call
    operation: Element
    version: str
    options: SoapOptions

    def batch_rows(self, least: int, most: int) -> int | None:
        """Return the page size that QueryOptions asks for, within bounds; None where it does not."""
        wanted = self.options.batch_size
        return min(max(int(wanted), least), most) if wanted.isdigit() else None


Operation = Callable[[SoapCall], list[Mapping[str, object] | None] | None]
"""Returns the `result` elements; None for operations that answer with nothing."""


@dataclass(frozen=True, slots=True)
class SoapDoor:
    """Opens envelopes and closes them again. `namespace` is that of the answers, `faults` that of fault details."""

    authority: Authority
    namespace: str
    faults: str

    def answer(self, call: Call, operations: Mapping[str, Operation], open_to_all: frozenset[str]) -> Response:
        """Run the operation of an envelope; those of `open_to_all` need no session. Others are a fault with 501."""
        try:
            soap = self._opened(call)
            name = soap.operation.name
            if name not in operations:
                what = f"the SOAP call {name}"
                raise NotEmulated(what)
            if name not in open_to_all:
                if soap.call.request.session is None:
                    raise SoapFault(code="INVALID_SESSION_ID", message=_SESSION_TEXT)
                call.org.usage.count(soap.call.request.session)
            results = operations[name](soap)
        except SoapFault as fault:
            return self.fault(fault)
        except ApiError as refused:
            return self.fault(SoapFault(refused.code, refused.message))
        except NotEmulated as unknown:
            call.note_not_emulated(unknown)
            return self.fault(SoapFault(NOT_EMULATED, unknown.message), status=501)
        inner = "".join(_result(entry) for entry in results or ())
        session = soap.call.request.session
        usage = call.org.usage
        counted = session is not None and name != "logout" and self.namespace != METADATA
        limit = _limit_header(usage.used, usage.requests_per_day) if counted else ""
        spaces = f' xmlns="{self.namespace}"' + (f' xmlns:sf="{SOBJECTS}"' if self.namespace == PARTNER else "")
        return Response(200, _envelope(f"<{name}Response>{inner}</{name}Response>", spaces, limit), _XML)

    def _opened(self, call: Call) -> SoapCall:
        version = call.params["soapversion"]
        number, _, rest = version.partition(".")
        if rest != "0" or not number.isdigit() or not OLDEST_VERSION <= int(number) <= NEWEST_VERSION:
            raise SoapFault(code="UNSUPPORTED_API_VERSION", message=f"Invalid Api version specified on URL: {version}")
        try:
            root = parse_xml(call.request.body or b"")
        except BadXml:
            raise SoapFault(code="XML_PARSER_ERROR", message="The request is not well-formed XML") from None
        body, header = root.find("Body"), root.find("Header")
        if root.name != "Envelope" or body is None or not body.children:
            raise SoapFault(code="XML_PARSER_ERROR", message="The request is not a SOAP envelope")
        options = read_headers(header, body.children[0].name)
        if options.all_or_none and body.children[0].name in _ROW_BY_ROW:
            what = f"AllOrNoneHeader of {body.children[0].name}"
            raise NotEmulated(what)
        token = options.token
        signed = self.authority.signed(replace(call.request, headers={"authorization": f"Bearer {token}"}))
        request = replace(call.request, session=signed.session if token else None)
        return SoapCall(replace(call, request=request), body.children[0], version, options)

    def fault(self, fault: SoapFault, status: int = 500) -> Response:
        """Return the answer that carries a fault; HTTP 500 but for what is not emulated."""
        code, text = fault.code, escape(fault.message)
        kind = fault.kind
        if kind == _UNEXPECTED and self.namespace != METADATA:
            kind = _KINDS.get(code, kind)
        found = _PLACE.search(fault.message)
        row, column = found.groups() if found else ("-1", "-1")
        place = f"<sf:row>{row}</sf:row><sf:column>{column}</sf:column>" if kind in _PLACED else ""
        inner = (
            f"<soapenv:Fault><faultcode>sf:{code}</faultcode><faultstring>{code}: {text}</faultstring>"
            f'<detail><sf:{kind} xsi:type="sf:{kind}"><sf:exceptionCode>{code}</sf:exceptionCode>'
            f"<sf:exceptionMessage>{text}</sf:exceptionMessage>{place}</sf:{kind}></detail></soapenv:Fault>"
        )
        return Response(status, _envelope(inner, f' xmlns:sf="{self.faults}"'), _XML)


def save_entry(result: SaveResult, *, created: bool = False) -> dict[str, object]:
    """Return a SaveResult, DeleteResult or UndeleteResult; with `created` an UpsertResult."""
    entry: dict[str, object] = {"created": result.created} if created else {}
    entry["errors"] = [
        {"fields": list(error.fields), "message": error.message, "statusCode": error.code} for error in result.errors
    ]
    entry["id"] = result.id or None
    entry["success"] = result.success
    return entry


def _result(entry: Mapping[str, object] | None) -> str:
    return write_xml("result", entry)


def _limit_header(used: int, most: int) -> str:
    info = f"<limitInfo><current>{used}</current><limit>{most}</limit><type>API REQUESTS</type></limitInfo>"
    return f"<soapenv:Header><LimitInfoHeader>{info}</LimitInfoHeader></soapenv:Header>"


def _envelope(inner: str, namespaces: str, header: str = "") -> bytes:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
        f"{XSI_NAMESPACE}{namespaces}>{header}<soapenv:Body>{inner}</soapenv:Body></soapenv:Envelope>"
    ).encode()
