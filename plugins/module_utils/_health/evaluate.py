# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judging an answer: which expectations hold, and the one fault to name. Private to the collection."""

from __future__ import annotations

import contextlib
import json
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import fill_tree
from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import MASK, is_sensitive, redact
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import WITH_STATUS, Check, Identity
from ansible_collections.slipway.kube.plugins.module_utils._health.predicates import (
    ABSENT,
    UNKNOWN,
    Assertion,
    assert_header,
    assert_json,
    assert_text,
    same,
    shorten,
    status_matches,
)
from ansible_collections.slipway.kube.plugins.module_utils._http.address import without_query
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Response

NOT_JSON = object()
MAX_DEPTH = 200
"""Deeper JSON counts as none: what looks at it is recursive, and no API answers like that."""


@dataclass
class Verdict:
    """What one answer was found to be; without a fault it is a good one."""

    assertions: list[Assertion] = field(default_factory=list)
    fault: CheckError | None = None
    extracted: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def bounded(seconds: float) -> Iterator[None]:
    """Stop what runs inside after so many seconds of the processor by judging_timeout; only the main thread can do so.

    A pattern such as (a+)+ can take for ever. The regular expression engine looks for signals, and for nothing else.
    On a busy machine a good answer must not become a bad one, so that waiting for the processor does not count.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    # An exception that meets a destructor on its way is lost, so there is more than one.
    left = [CheckError("judging_timeout", f"It was stopped after {seconds:.1f} s.") for _turn in range(5)]

    def stop(_number: int, _frame: object) -> None:
        if left:
            raise left.pop()

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 0.5)
    try:
        try:
            yield
        finally:
            left.clear()
    finally:
        # The signal may have come on the way here.
        left.clear()
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _depth(value: Any) -> int:
    """Return how deep a JSON value is nested; stops counting beyond MAX_DEPTH."""
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            inner
            for item in level
            if isinstance(item, (dict, list))
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
    return depth


def _no_number(name: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not have (RFC 8259, 6)."""
    raise ValueError(f"{name} is no number")


def read_json(body: bytes) -> Any:
    """Return the parsed body, or NOT_JSON."""
    try:
        document = json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return NOT_JSON
    return document if _depth(document) <= MAX_DEPTH else NOT_JSON


def evidence(response: Response, document: Any, masker: Masker) -> str:
    """Return the beginning of a body in which fields and values that are secret are masked."""
    if document is not NOT_JSON:
        return shorten(redact(document), 120, masker.outside)
    return shorten(response.text, 120, masker.outside)


def learn(check: Check, response: Response, document: Any, masker: Masker) -> dict[str, Any]:
    """Find the values to extract, and hide them from now on, whatever else is wrong with the answer."""
    found: dict[str, Any] = {}
    for name, extraction in check.extract.items():
        if document is NOT_JSON and extraction.kind == "json":
            continue
        value = extraction.find(response, document)
        if value not in (None, ABSENT, UNKNOWN):
            masker.add(value)
            found[name] = value
    return found


def judge(check: Check, response: Response, variables: Mapping[str, Any], masker: Masker) -> Verdict:
    """Hold an HTTP answer (or a command's output) against all expectations of its check."""
    expect, verdict = check.expect, Verdict()
    document = read_json(response.body)
    verdict.extracted = learn(check, response, document, masker)
    found: list[tuple[str, Assertion]] = []

    def note(assertion: Assertion, code: str = "assertion_failed") -> None:
        found.append((code, assertion))

    extracts_json = any(extraction.kind == "json" for extraction in check.extract.values())
    wants_json = bool(
        expect.json or extracts_json or check.type == "graphql" or (expect.identity and expect.identity.search)
    )
    if check.type == "command":
        passed = response.rc in expect.rc
        note(Assertion("code", "in", list(expect.rc), response.rc, passed), "command_failed")
    elif check.type in WITH_STATUS:
        ranges = [str(low) if low == high else f"{low}-{high}" for low, high in expect.status]
        passed = status_matches(response.status, expect.status)
        note(Assertion("status", "in", ", ".join(ranges), response.status, passed), "status_unexpected")
    if expect.http_version:
        passed = response.http_version == expect.http_version
        note(Assertion("http_version", "equals", expect.http_version, response.http_version, passed))
    if expect.location is not None:
        target = ", ".join(response.header("location"))
        for item in assert_text("location", target, [expect.location], []):
            # Queries of redirects carry codes and tokens.
            note(Assertion(item.subject, item.predicate, item.expected, without_query(target), item.passed))
    for name, predicates in expect.headers:
        for item in assert_header(name, fill_tree(predicates, variables), response.header(name)):
            note(_hidden(item, is_sensitive(name)))
    if expect.min_bytes is not None:
        size = len(response.body)
        note(Assertion("size", "at_least", expect.min_bytes, size, size >= expect.min_bytes))
    if expect.max_bytes is not None:
        size = len(response.body)
        note(Assertion("size", "at_most", expect.max_bytes, size, size <= expect.max_bytes))
    shown = evidence(response, document, masker)
    if expect.body_regex or expect.body_not_regex:
        for item in assert_text("body", response.text, expect.body_regex, expect.body_not_regex):
            note(Assertion(item.subject, item.predicate, item.expected, shown, item.passed))
    if check.type == "graphql" and document is not NOT_JSON:
        note(_graphql(check, document), "graphql_errors")
    if document is not NOT_JSON:
        for wanted in expect.json:
            filled = fill_tree(wanted.predicates, variables)
            for item in assert_json(wanted.search, wanted.path, filled, document):
                note(
                    _hidden(item, is_sensitive(wanted.path)),
                    "expression_failed" if item.unknown else "assertion_failed",
                )
    if expect.identity:
        note(_identity(expect.identity, response, document, variables), "identity_mismatch")
    verdict.assertions = [assertion for _code, assertion in found]
    verdict.fault = _fault(check, response, found, shown, wants_json and document is NOT_JSON, masker)
    if verdict.fault is None:
        missing = [name for name in check.extract if name not in verdict.extracted]
        if missing:
            how = check.extract[missing[0]]
            verdict.fault = CheckError("extract_failed", f"{missing[0]} ({how.kind} {how.text}).")
    return verdict


def _hidden(item: Assertion, sensitive: bool) -> Assertion:
    """Keep a value from being shown when its name says that it is a secret, or its fields do."""
    observed = item.observed
    if observed is not ABSENT and observed is not UNKNOWN:
        observed = MASK if sensitive and observed is not None else redact(observed)
    expected = MASK if sensitive and item.predicate in ("equals", "not_equals", "in") else item.expected
    return Assertion(item.subject, item.predicate, expected, observed, item.passed, item.unknown)


def _identity(identity: Identity, response: Response, document: Any, variables: Mapping[str, Any]) -> Assertion:
    wanted = fill_tree(identity.equals, variables)
    if identity.search is None:
        values = response.header(str(identity.header))
        value: Any = values[0] if values else None
        subject = f"header {identity.header}"
    else:
        value = None if document is NOT_JSON else identity.search(document)
        subject = f"json {identity.path}"
    # YAML may have read a tag of digits only as a number.
    known = value is not None and value is not ABSENT and value is not UNKNOWN
    passed = known and (same(value, wanted) or str(value) == str(wanted))
    return Assertion(f"identity {subject}", "equals", wanted, value, passed)


def _graphql(check: Check, document: Any) -> Assertion:
    """Say whether a response is free of errors, unless the check says itself what its errors are."""
    errors = document.get("errors") if isinstance(document, dict) else None
    own = any(item.path.startswith("errors") for item in check.expect.json)
    told = (
        [str(error.get("message")) if isinstance(error, dict) else error for error in errors or ()]
        if own is False
        else []
    )
    return Assertion("errors", "equals", [], told, not told)


def _fault(
    check: Check, response: Response, found: list[tuple[str, Assertion]], shown: str, no_json: bool, masker: Masker
) -> CheckError | None:
    # What is known to be wrong comes before what cannot be known, which no inverted check may take for wrong.
    failed = sorted(((code, item) for code, item in found if not item.passed), key=lambda one: one[1].unknown)
    what = _subject(check, response)
    if failed and failed[0][0] == "status_unexpected":
        return CheckError("status_unexpected", f"{what} answered {response.status}: {shown or 'no body'}.")
    if failed and failed[0][0] == "command_failed":
        return CheckError("command_failed", f"{what} ended with {response.rc}: {shown or 'no output'}.")
    if no_json:
        return CheckError("body_not_json", f"{what} answered: {shown or 'no body'}.")
    if not failed:
        return None
    code, item = failed[0]
    if code == "graphql_errors":
        return CheckError(code, f"{what} answered: {shorten(item.observed, 160, masker.outside)}.")
    more = f" ({len(failed) - 1} more)" if len(failed) > 1 else ""
    return CheckError(code, f"{item.sentence(masker)}{more}.")


def _subject(check: Check, response: Response) -> str:
    """Name what was asked, without the query of its address."""
    if check.type == "command":
        return check.command[0]
    return f"{check.method if check.type == 'http' else check.type} {(response.url or check.url).partition('?')[0]}"
