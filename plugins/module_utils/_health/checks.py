# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of health checks: from the task's dictionaries to typed, validated plans. Private to the collection.

Everything a person can get wrong in the options is refused here, before anything is sent, by SpecError
with the check and the key in its first words.
"""

from __future__ import annotations

import difflib
import json
import math
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ansible_collections.slipway.kube.plugins.module_utils._common.dependencies import (
    DependencyCycleError,
    ancestors,
)
from ansible_collections.slipway.kube.plugins.module_utils._common.options import nearest
from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import (
    fill,
    of_application,
    placeholders,
)
from ansible_collections.slipway.kube.plugins.module_utils._health.forms import (
    MAX_FILE_BYTES,
    Extraction,
    File,
    from_cookie,
    from_header,
    from_input,
    from_regex,
    media_type,
)
from ansible_collections.slipway.kube.plugins.module_utils._health.predicates import COMPARISONS, parse_status
from ansible_collections.slipway.kube.plugins.module_utils._http.address import DEFAULT_PORTS, split_address
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import SpecError
from ansible_collections.slipway.kube.plugins.module_utils._http.tls import Tls
from ansible_collections.slipway.kube.plugins.module_utils._kube.streams import Target

METHODS = (
    *("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"),  # RFC 9110, RFC 5789
    *("PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK"),  # RFC 4918
    *("REPORT", "SEARCH", "QUERY", "PURGE"),
)
IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
SCHEMES: Mapping[str, tuple[str, ...]] = {
    "http": ("http", "https"),
    "graphql": ("http", "https"),
    "sse": ("http", "https"),
    "websocket": ("ws", "wss"),
    "mcp": ("http", "https"),
    "tcp": ("tcp",),
    "tls": ("tls",),
    "grpc": ("grpc", "grpcs"),
    "postgres": ("postgres",),
    "redis": ("redis", "rediss"),
    "dns": ("dns",),
    "command": (),
}
_SOCKETS = ("direct", "port_forward", "unix_socket")
VIAS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(SCHEMES, _SOCKETS),
    "http": ("direct", "port_forward", "api_proxy", "unix_socket"),
    "graphql": ("direct", "port_forward", "api_proxy", "unix_socket"),
    "dns": ("direct",),
    "command": ("direct",),
}
_PROXIED = frozenset({"proxy", "environment_proxy"})
_WEB = _PROXIED | {"headers", "cookies", "max_body_bytes", "tls", "extract"}
KEYS: Mapping[str, frozenset[str]] = {
    "http": _WEB | {"method", "body", "body_format", "files", "follow_redirects"},
    "graphql": _WEB | {"graphql"},
    "sse": _WEB | {"sse"},
    "websocket": _WEB | {"websocket"},
    "mcp": _WEB | {"mcp"},
    "tcp": frozenset(),
    "tls": _PROXIED | {"tls"},
    "grpc": frozenset({"tls", "grpc_service"}),
    "postgres": frozenset({"tls", "postgres", "extract"}),
    "redis": frozenset({"tls", "extract"}),
    "dns": frozenset({"extract"}),
    "command": frozenset({"command", "max_body_bytes"}),
}
"""The options of a check that not every type obeys."""
_BODY = frozenset({"json", "body_regex", "body_not_regex", "min_bytes", "max_bytes"})
_FOUND = frozenset({"json", "body_regex", "body_not_regex"})
EXPECT_KEYS: Mapping[str, frozenset[str]] = {
    "http": _BODY | {"status", "headers", "location", "http_version", "identity"},
    "graphql": _BODY | {"status", "headers"},
    "sse": _FOUND | {"headers"},
    "websocket": _FOUND | {"headers"},
    "mcp": _FOUND,
    "postgres": _FOUND,
    "redis": _FOUND,
    "dns": _FOUND,
    "command": _BODY | {"rc"},
}
"""What can be expected of the answer, by type."""
WITH_BODY = frozenset(EXPECT_KEYS)
"""The types whose answers have a body to look into."""
WITH_STATUS = frozenset(kind for kind, keys in EXPECT_KEYS.items() if "status" in keys)
DETAILS = frozenset({"graphql", "sse", "websocket", "mcp", "postgres"})
"""The types with options of their own, under their name."""
IDENTITY_PATH = "image_tag || digest"
"""Where an answer says which image it comes from; the second is the deprecated name, which earlier versions of an application use."""
LONGEST = 7 * 86400.0
LIMITS: Mapping[str, tuple[float, float]] = {
    "timeout": (0.001, LONGEST),
    "retry_for": (0, LONGEST),
    "interval": (0, LONGEST),
    "backoff": (1, 100),
    "max_interval": (0, LONGEST),
    "jitter": (0, 1),
    "consecutive_successes": (1, 1_000_000),
    "stable_for": (0, LONGEST),
    "follow_redirects": (0, 100),
    "max_body_bytes": (0, 1 << 30),
}
"""The least and the most of each number of a check; times in seconds."""
BUILT_IN = ("run_id",)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

Search = Callable[[Any], Any]
Compile = Callable[[str], Search]


@dataclass(frozen=True)
class Workload:
    """What serves a check, to be looked at when the check fails; a Service stands for what it selects."""

    kind: str
    name: str
    namespace: str = "default"
    kubeconfig: str | None = None
    context: str | None = None


@dataclass(frozen=True)
class JsonExpectation:
    """One JMESPath with its predicates."""

    path: str
    search: Search
    predicates: Mapping[str, Any]


@dataclass(frozen=True)
class Identity:
    """What the answer must carry to come from the deployed version."""

    search: Search | None
    path: str
    header: str | None
    equals: Any
    consecutive: int = 5


@dataclass(frozen=True)
class Expect:
    """What a good answer looks like."""

    status: tuple[tuple[int, int], ...] = ((200, 299),)
    json: tuple[JsonExpectation, ...] = ()
    body_regex: tuple[str, ...] = ()
    body_not_regex: tuple[str, ...] = ()
    headers: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    location: str | None = None
    min_bytes: int | None = None
    max_bytes: int | None = None
    http_version: str | None = None
    rc: tuple[int, ...] = (0,)
    identity: Identity | None = None


@dataclass(frozen=True)
class Latency:
    """How often to measure, and the ceilings in milliseconds."""

    samples: int = 20
    ceilings: Mapping[str, float] = field(default_factory=dict)
    error_rate: float = 0.0


@dataclass(frozen=True)
class Check:
    """One check, ready to run but for its placeholders."""

    name: str
    type: str = "http"
    via: str = "direct"
    url: str = ""
    resolve: Mapping[str, str] = field(default_factory=dict)
    unix_socket: str | None = None
    proxy: str | None = None
    environment_proxy: bool = False
    kubernetes: Target = field(default_factory=Target)
    workload: Workload | None = None
    command: tuple[str, ...] = ()
    grpc_service: str = ""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    body_format: str = "json"
    follow_redirects: int = 0
    max_body_bytes: int = 1 << 20
    tls: Tls = field(default_factory=Tls)
    depends_on: tuple[str, ...] = ()
    cookies: bool = True
    files: tuple[File, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)
    always: bool = False
    extract: Mapping[str, Extraction] = field(default_factory=dict)
    expect: Expect = field(default_factory=Expect)
    timeout: float = 10.0
    retry_for: float = 30.0
    interval: float = 1.0
    backoff: float = 1.5
    max_interval: float = 10.0
    jitter: float = 0.1
    consecutive_successes: int = 1
    stable_for: float = 0.0
    invert: bool = False
    latency: Latency | None = None

    @property
    def streak(self) -> int:
        """How many good answers in a row are needed."""
        identity = self.expect.identity
        return max(self.consecutive_successes, identity.consecutive if identity else 1)

    @property
    def needs(self) -> set[str]:
        """The names of the placeholders that must have a value when it asks."""
        return {name for _key, value in fillable(self) for name in placeholders(value)}

    def summary(self) -> str:
        """Say in one line what will be asked, with placeholders unfilled so that no secret is in it."""
        if self.type == "command":
            return (
                f"run {self.command[0]} in a pod of {_target(self.kubernetes)}, expecting code {_words(self.expect.rc)}"
            )
        place = {
            "direct": "",
            "unix_socket": f" through {self.unix_socket}",
            "port_forward": f" through a port forward to {_target(self.kubernetes)}",
            "api_proxy": f" through the Kubernetes API to {_target(self.kubernetes)}",
        }[self.via]
        if self.resolve:
            place += f" (resolved to {_words(self.resolve.values())})"
        if self.type == "http":
            wanted = _words(str(a) if a == b else f"{a}-{b}" for a, b in self.expect.status)
            text = f"{self.method} {self.url.partition('?')[0]}{place}, expecting status {wanted}"
        else:
            text = f"{self.type} {self.url}{place}"
        return text + (", inverted" if self.invert else "")


def _words(items: Any) -> str:
    return ", ".join(str(item) for item in items)


def _target(target: Target) -> str:
    what = target.pod or target.service or target.selector or "?"
    return f"{target.namespace}/{what}"


# ---------------------------------------------------------------- unknown keys
def unknown_keys(options: Mapping[str, Any], params: Any) -> list[str]:
    """Find the keys that the argument spec does not know, each as one sentence with the nearest known key.

    Ansible's own message does not say in which of many checks the key is. The keys are removed from the
    parameters so that the caller can report once Ansible has learned what must not be logged.
    """
    return list(_unknown(options, params, ""))


def _unknown(options: Mapping[str, Any], params: Any, place: str) -> Iterator[str]:
    if not isinstance(params, dict):
        return
    for key in [key for key in params if key not in options and not str(key).startswith("_ansible_")]:
        near = difflib.get_close_matches(str(key), list(options), n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(options))}."
        yield f"{place}{key}: there is no such option; {hint}"
        del params[key]
    for key, spec in options.items():
        inner, value = spec.get("options"), params.get(key)
        if value is None:
            continue
        if not inner:
            if "int" in (spec.get("type"), spec.get("elements")) and any(map(_endless, _listed(value))):
                yield f"{place}{key}: {value} is not an integer."
                del params[key]
            continue
        if isinstance(value, list):
            # Ansible itself ends in a traceback on some values where it expects a dictionary. It does read texts as one.
            params[key] = [item for item in value if isinstance(item, (dict, str))]
            for index, item in enumerate(value):
                if not isinstance(item, (dict, str)):
                    yield f"{place}{key}[{index}]: it must be a dictionary of options, not {json.dumps(item)[:40]}."
                label = f"{key}[{index}]"
                if place == "" and isinstance(item, dict) and item.get("name"):
                    label = f"check {str(item['name'])!r}"
                yield from _unknown(inner, item, f"{place}{label}: " if place == "" else f"{place}{label}.")
        elif not isinstance(value, (dict, str)):
            yield f"{place}{key}: it must be a dictionary of options, not {json.dumps(value)[:40]}."
            del params[key]
        else:
            yield from _unknown(inner, value, f"{place}{key}." if place else f"{key}.")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _endless(value: Any) -> bool:
    """Tell whether a value is infinite, which ends Ansible in a traceback where it expects a whole number."""
    try:
        return math.isinf(float(value)) and not isinstance(value, int)
    except (TypeError, ValueError, OverflowError):
        return False


# ---------------------------------------------------------------- parsing
class CheckError(SpecError):
    """A mistake in one check: its C(check), the C(key) with dots and indices, and the C(reason) as a sentence."""

    def __init__(self, check: str, key: str, reason: str) -> None:
        self.check, self.key, self.reason = check, key, reason
        super().__init__(f"check {check!r}: {key}: {reason}")


class _Place:
    """Makes the mistakes of one check."""

    def __init__(self, name: str) -> None:
        self.name = name

    def wrong(self, key: str, text: str) -> CheckError:
        return CheckError(self.name, key, text)

    def regex(self, key: str, pattern: str) -> str:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise self.wrong(key, f"{pattern!r} is not a valid regular expression: {error}.") from None
        return pattern

    def within(self, key: str, value: float, least: float, most: float = sys.float_info.max) -> None:
        if not value >= least:
            raise self.wrong(key, f"{value} is not allowed, the least is {least:g}.")
        if value > most:
            limit = f", the most is {most:g}" if most < sys.float_info.max else ""
            raise self.wrong(key, f"{value} is not allowed{limit}.")


def in_order(checks: Sequence[Mapping[str, Any]], journey: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return checks and the steps of a journey as one list, in which each step waits for the one before it, the first for all checks."""
    joined = [dict(check) for check in checks]
    before = [check.get("name") for check in checks]
    for step in journey:
        joined.append({"depends_on": before, **step} if before else dict(step))
        before = [step.get("name")]
    return joined


def needs_jmespath(checks: Sequence[Mapping[str, Any]]) -> bool:
    """Say whether any check holds a JMESPath, so that the library is demanded only then."""
    for check in checks:
        expect = check.get("expect") or {}
        identity = expect.get("identity") or {}
        extract = check.get("extract") or {}
        paths = any(not isinstance(how, Mapping) or "json" in how for how in extract.values())
        if paths or expect.get("json") or (identity and not identity.get("header")):
            return True
    return False


def parse_checks(
    params: Sequence[Mapping[str, Any]],
    variables: Sequence[str],
    compile_path: Compile,
    cluster: Mapping[str, str | None] | None = None,
) -> list[Check]:
    """Turn the option checks into plans in the given order, or raise SpecError for the first mistake.

    The variables are the names that exist before any check runs; compile_path compiles a JMESPath to its
    search function and raises ValueError for a wrong one. The cluster is the kubeconfig and context for checks
    that name none of their own.
    """
    if not params:
        raise SpecError("checks: the list is empty, name at least one check.")
    for name in variables:
        if not (_NAME.fullmatch(name) or of_application(name)):
            raise SpecError(f"variables: {name!r} is not a valid name: use letters, digits and underscores.")
    seen: set[str] = set()
    for index, item in enumerate(params):
        name = str(item.get("name") or "").strip()
        if not name:
            raise SpecError(f"checks[{index}]: name: it is empty, give each check a name.")
        if name in seen:
            raise SpecError(f"check {name!r}: name: another check has this name, names must differ.")
        seen.add(name)
    checks = [parse_check(item, compile_path, cluster or {}) for item in params]
    for error in relation_mistakes(checks, variables):
        raise error
    return checks


def relation_mistakes(checks: Sequence[Check], variables: Iterable[str]) -> Iterator[CheckError]:
    """Yield what is wrong between checks of different names; C(variables) are the names that exist before any check runs."""
    yield from _lost_dependencies(checks)
    names = {check.name for check in checks}
    depends = {check.name: [other for other in check.depends_on if other in names] for check in checks}
    try:
        before = ancestors(depends)
    except DependencyCycleError as error:
        yield CheckError(error.cycle[0], "depends_on", f"the checks wait for each other: {error}.")
    else:
        yield from _lost_placeholders(checks, {*variables, *BUILT_IN}, before)


def _lost_dependencies(checks: Sequence[Check]) -> Iterator[CheckError]:
    names = [check.name for check in checks]
    for check in checks:
        for other in check.depends_on:
            if other not in names:
                near = difflib.get_close_matches(other, names, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known are {_words(map(repr, names))}."
                yield CheckError(check.name, "depends_on", f"there is no check {other!r}; {hint}")


def _lost_placeholders(
    checks: Sequence[Check], known: set[str], before: Mapping[str, set[str]]
) -> Iterator[CheckError]:
    makers: dict[str, str] = {}
    for check in checks:
        for name in check.extract:
            if name in known or name in makers:
                other = f"check {makers[name]!r}" if name in makers else "variables, secrets or the built-in names"
                yield CheckError(check.name, f"extract.{name}", f"the name is already taken by {other}.")
            makers[name] = check.name
    for check in checks:
        for key, value in fillable(check):
            for name in placeholders(value):
                if name in known:
                    continue
                if name not in makers:
                    yield CheckError(
                        check.name, key, f"nothing is known as ${{{name}}}; {nearest(name, sorted({*known, *makers}))}."
                    )
                elif makers[name] not in before[check.name]:
                    yield CheckError(
                        check.name,
                        key,
                        f"${{{name}}} comes from check {makers[name]!r}: name that check in depends_on.",
                    )


def fillable(check: Check) -> Iterator[tuple[str, Any]]:
    """Yield the key and the value of everything in which placeholders are filled."""
    yield "url", check.url
    yield from ((f"headers.{name}", value) for name, value in check.headers.items())
    yield "body", check.body
    yield from ((f"files[{index}].content", file.content) for index, file in enumerate(check.files))
    yield check.type, check.detail
    yield from ((f"expect.json[{index}]", item.predicates) for index, item in enumerate(check.expect.json))
    yield from ((f"expect.headers.{name}", predicates) for name, predicates in check.expect.headers)
    if check.expect.identity:
        yield "expect.identity.equals", check.expect.identity.equals


def parse_check(item: Mapping[str, Any], compile_path: Compile, cluster: Mapping[str, str | None]) -> Check:
    """Turn the options of one check into its plan, or raise CheckError for its first mistake."""
    given = {key: value for key, value in item.items() if value is not None}
    name = str(given["name"]).strip()
    place = _Place(name)
    kind, via = given.get("type", "http"), given.get("via", "direct")
    if via not in VIAS[kind]:
        raise place.wrong("via", f"{via} cannot be combined with type {kind}; use {_words(VIAS[kind])}.")
    command = tuple(str(word) for word in given.get("command") or ())
    if kind == "command" and not command:
        raise place.wrong("command", "type command needs the program and its arguments as a list.")
    _check_keys(kind, given, place)
    method = str(given.get("method", "GET")).upper()
    if method not in METHODS:
        raise place.wrong("method", f"{method!r} is no HTTP method; {nearest(method, METHODS)}.")
    headers = _headers(given.get("headers") or {}, via, place)
    named = {key: value for key, value in (given.get("kubernetes") or {}).items() if value is not None}
    target = Target(**{**cluster, **named})
    _check_target(kind, via, target, place)
    url = str(given.get("url", "")).strip()
    _check_url(kind, url, place)
    resolve = {str(host).lower(): str(address) for host, address in (given.get("resolve") or {}).items()}
    for host, address in (given.get("resolve") or {}).items():
        if address is None:
            raise place.wrong(f"resolve.{host}", "it has no value: give the address to connect to.")
    for host, address in resolve.items():
        try:
            split_address(address)
        except ValueError as error:
            raise place.wrong(f"resolve.{host}", f"{error}.") from None
    if resolve and via != "direct":
        raise place.wrong("resolve", f"it cannot be combined with via {via}, which determines the endpoint itself.")
    if via == "unix_socket" and not given.get("unix_socket"):
        raise place.wrong("unix_socket", "via unix_socket needs the path of the socket.")
    proxy = given.get("proxy")
    if proxy:
        parts = _split(proxy, "proxy", place)
        if parts.scheme != "http" or not parts.hostname:
            raise place.wrong("proxy", "write it as http://host:port.")
        if via != "direct":
            raise place.wrong("proxy", "it goes only with via direct.")
        if resolve and kind == "http" and not url.lower().startswith("https://"):
            raise place.wrong(
                "proxy", "a proxy resolves plain http names by itself, so it cannot be combined with resolve."
            )
    if given.get("environment_proxy") and via != "direct":
        raise place.wrong("environment_proxy", "it goes only with via direct.")
    if via == "api_proxy" and given.get("follow_redirects"):
        raise place.wrong("follow_redirects", "the Kubernetes API rewrites redirects; use via port_forward.")
    body, body_format = given.get("body"), given.get("body_format", "json")
    if body_format == "form" and body is not None and not isinstance(body, Mapping):
        raise place.wrong("body", "with body_format form it is a dictionary of fields.")
    if body_format == "multipart" and body is not None and not isinstance(body, Mapping):
        raise place.wrong("body", "with body_format multipart it is a dictionary of fields.")
    files = _files(given.get("files") or (), body_format, place)
    if body_format == "raw" and isinstance(body, (Mapping, list)):
        raise place.wrong("body", "with body_format raw it is a text.")
    for key, limits in LIMITS.items():
        if key in given:
            place.within(key, given[key], *limits)
    detail = _detail(kind, given.get(kind) if kind in DETAILS else None, bool(given.get("tls")), place)
    extract = given.get("extract") or {}
    if extract and given.get("invert"):
        raise place.wrong("extract", "it cannot be combined with invert, which expects no response.")
    tls = Tls(**{key: value for key, value in (given.get("tls") or {}).items() if value is not None})
    if tls.client_key and not tls.client_cert:
        raise place.wrong("tls.client_key", "it needs tls.client_cert as well.")
    retry_for = given.get("retry_for")
    if retry_for is None:
        # A request that changes something must not be repeated behind a person's back.
        retry_for = 0.0 if _changes_something(kind, method, detail) else 30.0
    return Check(
        name=name,
        type=kind,
        via=via,
        url=url,
        resolve=resolve,
        unix_socket=given.get("unix_socket"),
        proxy=proxy,
        environment_proxy=bool(given.get("environment_proxy", False)),
        kubernetes=target,
        workload=_workload(given.get("workload"), target, place),
        command=command,
        grpc_service=str(given.get("grpc_service", "")),
        method=method,
        headers=headers,
        body=given.get("body"),
        body_format=given.get("body_format", "json"),
        follow_redirects=given.get("follow_redirects", 0),
        max_body_bytes=given.get("max_body_bytes", 1 << 20),
        tls=tls,
        cookies=given.get("cookies") is not False,
        files=files,
        detail=detail,
        always=bool(given.get("always", False)),
        depends_on=tuple(dict.fromkeys(str(other) for other in given.get("depends_on") or ())),
        extract={str(key): _extract(str(key), how, compile_path, place) for key, how in extract.items()},
        expect=_expect(given.get("expect") or {}, compile_path, place),
        timeout=given.get("timeout", 10.0),
        retry_for=retry_for,
        interval=given.get("interval", 1.0),
        backoff=given.get("backoff", 1.5),
        max_interval=given.get("max_interval", 10.0),
        jitter=given.get("jitter", 0.1),
        consecutive_successes=given.get("consecutive_successes", 1),
        stable_for=given.get("stable_for", 0.0),
        invert=bool(given.get("invert", False)),
        latency=_latency(given.get("latency"), bool(given.get("invert")), place),
    )


def _check_keys(kind: str, given: Mapping[str, Any], place: _Place) -> None:
    """Refuse what a type would not look at, because a check that ignores an expectation passes too easily."""
    for key in given:
        if any(key in keys for keys in KEYS.values()) and key not in KEYS[kind] and given[key] not in (False, ""):
            raise place.wrong(key, f"type {kind} has no use for it; it goes with {_words(_types(KEYS, key))}.")
    if kind == "command":
        for key in ("url", "resolve"):
            if given.get(key):
                raise place.wrong(key, "type command asks no address; remove it.")
    elif (given.get("kubernetes") or {}).get("container"):
        raise place.wrong("kubernetes.container", "it goes with type command.")
    for key, value in (given.get("expect") or {}).items():
        if value is not None and key not in EXPECT_KEYS.get(kind, ()):
            raise place.wrong(
                f"expect.{key}",
                f"type {kind} has no answer of this kind; it goes with {_words(_types(EXPECT_KEYS, key))}.",
            )


def _types(keys: Mapping[str, frozenset[str]], key: str) -> list[str]:
    return [kind for kind, known in keys.items() if key in known]


def written_nulls(check: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the key and the reason of each predicate that is written as null: Ansible takes it for one that is not set."""
    expect = check.get("expect")
    for group in ("json", "headers"):
        items = expect.get(group) if isinstance(expect, Mapping) else None
        for index, item in enumerate(items if isinstance(items, list) else ()):
            for key in COMPARISONS:
                if isinstance(item, Mapping) and key in item and item[key] is None:
                    instead = "type: 'null' or exists: false" if group == "json" else "exists: false"
                    yield f"expect.{group}[{index}].{key}", f"null cannot be compared with; use {instead}."


def _headers(headers: Mapping[str, Any], via: str, place: _Place) -> dict[str, str]:
    for name, value in headers.items():
        if not _TOKEN.fullmatch(str(name)):
            raise place.wrong(f"headers.{name}", "this is not a valid header name.")
        if any(ord(letter) < 32 and letter != "\t" for letter in str(value)):
            raise place.wrong(f"headers.{name}", "the value must be one line.")
        if str(name).lower() in ("content-length", "transfer-encoding", "connection"):
            raise place.wrong(f"headers.{name}", "this header is set by the check itself.")
        if via == "api_proxy" and str(name).lower() == "authorization":
            raise place.wrong(
                f"headers.{name}", "the Kubernetes API takes this header for itself; use via port_forward."
            )
    return {str(name): str(value) for name, value in headers.items()}


def _check_target(kind: str, via: str, target: Target, place: _Place) -> None:
    if kind != "command" and via not in ("port_forward", "api_proxy"):
        return
    named = [key for key in ("pod", "service", "selector") if getattr(target, key)]
    if len(named) != 1:
        raise place.wrong("kubernetes", "name exactly one of pod, service and selector.")
    if via == "api_proxy" and target.selector:
        raise place.wrong("kubernetes.selector", "via api_proxy needs a pod or a service.")


def _workload(given: Mapping[str, Any] | None, target: Target, place: _Place) -> Workload | None:
    if not given:
        if not target.service:
            return None
        return Workload("Service", target.service, target.namespace, target.kubeconfig, target.context)
    options = {key: value for key, value in given.items() if value is not None}
    if not str(options.get("name", "")).strip():
        raise place.wrong("workload.name", "it is empty: name the object that serves this check.")
    return Workload(
        kind=options.get("kind", "Deployment"),
        name=str(options["name"]).strip(),
        namespace=options.get("namespace") or target.namespace,
        kubeconfig=target.kubeconfig,
        context=target.context,
    )


def _split(url: str, key: str, place: _Place) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise place.wrong(key, f"{url!r} is not a valid address: {error}.") from None
    if port == 0:
        raise place.wrong(key, "port 0 cannot be asked.")
    return parts


def _check_url(kind: str, url: str, place: _Place) -> None:
    schemes = SCHEMES[kind]
    if not schemes:
        return
    if not url:
        raise place.wrong("url", f"type {kind} needs it, such as {schemes[0]}://host:port.")
    if any(ord(letter) < 33 or ord(letter) == 127 for letter in url):
        raise place.wrong("url", "it must hold no blanks or control characters.")
    if url.startswith("${"):
        return  # judged when the variable's value is known
    # A placeholder in the host or port would make the address unreadable here.
    probe = fill(url, dict.fromkeys(placeholders(url), "1"))
    parts = _split(probe, "url", place)
    if parts.scheme not in schemes or not parts.hostname:
        raise place.wrong("url", f"{url!r} must begin with {' or '.join(f'{name}://' for name in schemes)} and a host.")
    if parts.username is not None or parts.password is not None:
        raise place.wrong("url", "it must hold no user or password; send them in headers by a placeholder.")
    if parts.port is None and parts.scheme not in DEFAULT_PORTS and kind != "dns":
        raise place.wrong("url", f"type {kind} needs a port, such as {schemes[0]}://host:port.")


def _changes_something(kind: str, method: str, detail: Mapping[str, Any]) -> bool:
    """Say whether asking again could do twice what must be done once."""
    if kind == "http":
        return method not in IDEMPOTENT
    if kind == "graphql":
        return "mutation" in str(detail.get("query"))
    return (kind == "mcp" and bool(detail.get("tool"))) or (kind == "websocket" and detail.get("send") is not None)


def _files(given: Iterable[Mapping[str, Any]], body_format: str, place: _Place) -> tuple[File, ...]:
    files = []
    for index, item in enumerate(given):
        key, path, content = f"files[{index}]", item.get("path"), item.get("content")
        if body_format != "multipart":
            raise place.wrong("files", "it needs body_format multipart.")
        if (path is None) == (content is None):
            raise place.wrong(key, "give either the path of a file or its content.")
        if path is not None:
            _check_file(f"{key}.path", path, place)
        filename = str(item.get("filename") or os.path.basename(path or str(item["field"])))
        files.append(
            File(str(item["field"]), path, content, filename, item.get("content_type") or media_type(filename))
        )
    return tuple(files)


def _check_file(key: str, path: str, place: _Place) -> None:
    try:
        size = os.stat(path).st_size
        with open(path, "rb"):
            pass
    except OSError as error:
        raise place.wrong(key, f"{path} cannot be read: {error.strerror}.") from None
    if size > MAX_FILE_BYTES:
        raise place.wrong(key, f"{path} has {size} bytes, the most is {MAX_FILE_BYTES}.")


def _detail(kind: str, given: Mapping[str, Any] | None, encrypted: bool, place: _Place) -> dict[str, Any]:
    """Return the options of a type that has some of its own, or raise CheckError."""
    detail = {key: value for key, value in (given or {}).items() if value is not None}
    if kind == "graphql" and not str(detail.get("query", "")).strip():
        raise place.wrong("graphql.query", "type graphql needs the query.")
    if kind == "mcp" and detail.get("arguments") and not detail.get("tool"):
        raise place.wrong("mcp.arguments", "they go with mcp.tool, which names the tool to call.")
    for key, limits in {
        "count": (1, 10_000),
        "within": (0.001, LONGEST),
        "silence": (0.001, LONGEST),
        "receive": (0, 10_000),
        "close_code": (1000, 4999),
    }.items():
        if key in detail:
            place.within(f"{kind}.{key}", detail[key], *limits)
    for index, name in enumerate(detail.get("subprotocols") or ()):
        if not _TOKEN.fullmatch(str(name)):
            raise place.wrong(f"websocket.subprotocols[{index}]", f"{name!r} is no name of a subprotocol.")
    for key in ("user", "database"):
        if "\0" in str(detail.get(key, "")):
            raise place.wrong(f"postgres.{key}", "it must hold no NUL character.")
    if kind == "postgres":
        detail["encrypted"] = encrypted
    return detail


_EXTRACTIONS: Mapping[str, Callable[[str], Extraction]] = {
    "header": from_header,
    "cookie": from_cookie,
    "input": from_input,
    "regex": from_regex,
}


def _extract(name: str, how: Any, compile_path: Compile, place: _Place) -> Extraction:
    key = f"extract.{name}"
    if not _NAME.fullmatch(name):
        raise place.wrong(key, "this is not a valid name: use letters, digits and underscores.")
    if isinstance(how, Mapping):
        kinds = ("json", *_EXTRACTIONS)
        for unknown in [kind for kind in how if kind not in kinds]:
            raise place.wrong(f"{key}.{unknown}", f"this key is unknown; {nearest(str(unknown), kinds)}.")
        if len(how) != 1 or not str(next(iter(how.values())) or ""):
            raise place.wrong(key, f"name exactly one of {_words(kinds)}.")
        kind, text = next((str(kind), str(text)) for kind, text in how.items())
        if kind != "json":
            return _EXTRACTIONS[kind](place.regex(f"{key}.regex", text) if kind == "regex" else text)
        how = text
    search = _compile(key, str(how), compile_path, place)
    return Extraction("json", str(how), lambda _response, document: search(document))


def _compile(key: str, path: str, compile_path: Compile, place: _Place) -> Search:
    try:
        return compile_path(path)
    except ValueError as error:
        reason = " ".join(str(error).split())
        raise place.wrong(key, f"{path!r} is no JMESPath: {reason}.") from None


def _expect(given: Mapping[str, Any], compile_path: Compile, place: _Place) -> Expect:
    given = {key: value for key, value in given.items() if value is not None}
    try:
        status = parse_status(given.get("status", ["2xx"]))
    except ValueError as error:
        raise place.wrong("expect.status", f"{error}.") from None
    items = []
    for index, item in enumerate(given.get("json") or ()):
        key = f"expect.json[{index}]"
        path = str(item.get("path") or "")
        predicates = _predicates(item, key, place)
        items.append(JsonExpectation(path, _compile(f"{key}.path", path, compile_path, place), predicates))
    headers = []
    for index, item in enumerate(given.get("headers") or ()):
        headers.append((str(item["name"]), _predicates(item, f"expect.headers[{index}]", place)))
    patterns = {
        key: tuple(place.regex(f"expect.{key}[{index}]", str(text)) for index, text in enumerate(given.get(key) or ()))
        for key in ("body_regex", "body_not_regex")
    }
    if "location" in given:
        place.regex("expect.location", given["location"])
    identity = None
    if "identity" in given:
        identity = _identity(given["identity"], compile_path, place)
    return Expect(
        status=status,
        json=tuple(items),
        headers=tuple(headers),
        location=given.get("location"),
        min_bytes=given.get("min_bytes"),
        max_bytes=given.get("max_bytes"),
        http_version=given.get("http_version"),
        rc=tuple(given.get("rc") or (0,)),
        identity=identity,
        **patterns,
    )


def _predicates(item: Mapping[str, Any], key: str, place: _Place) -> dict[str, Any]:
    predicates = {kind: item[kind] for kind in COMPARISONS if item.get(kind) is not None}
    if not predicates:
        raise place.wrong(key, f"it says nothing about the value; use one of {_words(COMPARISONS)}.")
    if "matches" in predicates:
        place.regex(f"{key}.matches", str(predicates["matches"]))
    if predicates.get("length", 0) < 0:
        raise place.wrong(f"{key}.length", "a length is never negative.")
    return predicates


def _identity(given: Mapping[str, Any], compile_path: Compile, place: _Place) -> Identity:
    header, path = given.get("header"), str(given.get("path") or IDENTITY_PATH)
    if str(given.get("equals") or "") == "":
        raise place.wrong("expect.identity.equals", "it is empty: give the tag that was deployed.")
    consecutive = given.get("consecutive") or 5
    place.within("expect.identity.consecutive", consecutive, 1, 1_000_000)
    search = None if header else _compile("expect.identity.path", path, compile_path, place)
    return Identity(search, path, header, given["equals"], consecutive)


def _latency(given: Mapping[str, Any] | None, invert: bool, place: _Place) -> Latency | None:
    if not given:
        return None
    if invert:
        raise place.wrong("latency", "it cannot be combined with invert, which expects no response.")
    samples = given.get("samples") or 20
    place.within("latency.samples", samples, 1, 1_000_000)
    rate = given.get("error_rate") or 0.0
    if not 0 <= rate <= 1:
        raise place.wrong("latency.error_rate", "it is a share between 0 and 1.")
    keys = ("p50", "p90", "p95", "p99", "max")
    ceilings = {key: float(given[f"{key}_ms"]) for key in keys if given.get(f"{key}_ms") is not None}
    for key, value in ceilings.items():
        place.within(f"latency.{key}_ms", value, 0)
    return Latency(samples, ceilings, float(rate))
