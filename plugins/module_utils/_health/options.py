# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the module health_check. Private to the collection."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._health.checks import IDENTITY_PATH, SCHEMES, Search
from ansible_collections.slipway.kube.plugins.module_utils._health.predicates import ABSENT, UNKNOWN

try:
    import jmespath
except ImportError:
    HAS_JMESPATH = False
    JMESPATH_ERROR: str | None = traceback.format_exc()
else:
    HAS_JMESPATH = True
    JMESPATH_ERROR = None

# What the expressions of JMESPath that look into the value of another one are called in its syntax tree.
_WITH_SOURCE = frozenset(
    {"subexpression", "index_expression", "projection", "value_projection", "filter_projection", "flatten", "pipe"}
)


def argument_spec() -> dict[str, Any]:
    """Return the options as M(slipway.kube.health_check) documents them."""
    kubernetes = {
        "namespace": {"type": "str", "default": "default"},
        "pod": {"type": "str"},
        "service": {"type": "str"},
        "selector": {"type": "str"},
        "container": {"type": "str"},
        "port": {"type": "int"},
        "kubeconfig": {"type": "path"},
        "context": {"type": "str"},
    }
    workload = {
        "kind": {
            "type": "str",
            "choices": ["Deployment", "StatefulSet", "DaemonSet", "Service"],
            "default": "Deployment",
        },
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str"},
    }
    tls = {
        "verify": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path", "no_log": False},
        "server_name": {"type": "str"},
        "min_version": {"type": "str", "choices": ["TLSv1.2", "TLSv1.3"], "default": "TLSv1.2"},
        "min_days_left": {"type": "int"},
    }
    json_types = ["array", "boolean", "integer", "null", "number", "object", "string"]
    json_assertion = {
        "path": {"type": "str", "required": True},
        "equals": {"type": "raw"},
        "not_equals": {"type": "raw"},
        "less": {"type": "float"},
        "greater": {"type": "float"},
        "in": {"type": "list", "elements": "raw"},
        "exists": {"type": "bool"},
        "matches": {"type": "str"},
        "length": {"type": "int"},
        "type": {"type": "str", "choices": json_types},
    }
    header_assertion = {
        "name": {"type": "str", "required": True},
        "equals": {"type": "str"},
        "not_equals": {"type": "str"},
        "matches": {"type": "str"},
        "exists": {"type": "bool"},
    }
    identity = {
        "path": {"type": "str", "default": IDENTITY_PATH},
        "header": {"type": "str"},
        "equals": {"type": "str", "required": True},
        "consecutive": {"type": "int", "default": 5},
    }
    expect = {
        "status": {"type": "list", "elements": "str"},
        "json": {"type": "list", "elements": "dict", "options": json_assertion},
        "body_regex": {"type": "list", "elements": "str"},
        "body_not_regex": {"type": "list", "elements": "str"},
        "headers": {"type": "list", "elements": "dict", "options": header_assertion},
        "location": {"type": "str"},
        "min_bytes": {"type": "int"},
        "max_bytes": {"type": "int"},
        "http_version": {"type": "str", "choices": ["1.0", "1.1"]},
        "rc": {"type": "list", "elements": "int"},
        "identity": {"type": "dict", "options": identity},
    }
    latency = {
        "samples": {"type": "int", "default": 20},
        "p50_ms": {"type": "float"},
        "p90_ms": {"type": "float"},
        "p95_ms": {"type": "float"},
        "p99_ms": {"type": "float"},
        "max_ms": {"type": "float"},
        "error_rate": {"type": "float", "default": 0.0},
    }
    file = {
        "field": {"type": "str", "required": True},
        "path": {"type": "path"},
        "content": {"type": "str"},
        "filename": {"type": "str"},
        "content_type": {"type": "str"},
    }
    graphql = {
        "query": {"type": "str", "required": True},
        "variables": {"type": "dict"},
        "operation": {"type": "str"},
    }
    sse = {
        "event": {"type": "str"},
        "count": {"type": "int", "default": 1},
        "within": {"type": "float"},
        "silence": {"type": "float"},
    }
    websocket = {
        "subprotocols": {"type": "list", "elements": "str"},
        "send": {"type": "raw"},
        "receive": {"type": "int"},
        "close_code": {"type": "int"},
    }
    mcp = {
        "transport": {"type": "str", "choices": ["streamable_http", "sse"], "default": "streamable_http"},
        "tool": {"type": "str"},
        "arguments": {"type": "dict"},
    }
    postgres = {"user": {"type": "str"}, "database": {"type": "str"}}
    check = {
        "name": {"type": "str", "required": True},
        "type": {"type": "str", "choices": list(SCHEMES), "default": "http"},
        "via": {
            "type": "str",
            "choices": ["direct", "port_forward", "api_proxy", "unix_socket"],
            "default": "direct",
        },
        "url": {"type": "str"},
        "resolve": {"type": "dict"},
        "unix_socket": {"type": "path"},
        "proxy": {"type": "str"},
        "environment_proxy": {"type": "bool", "default": False},
        "kubernetes": {"type": "dict", "options": kubernetes},
        "workload": {"type": "dict", "options": workload},
        "command": {"type": "list", "elements": "str"},
        "grpc_service": {"type": "str"},
        "method": {"type": "str"},
        "headers": {"type": "dict"},
        "body": {"type": "raw"},
        "body_format": {"type": "str", "choices": ["json", "form", "multipart", "raw"]},
        "files": {"type": "list", "elements": "dict", "options": file},
        "graphql": {"type": "dict", "options": graphql},
        "sse": {"type": "dict", "options": sse},
        "websocket": {"type": "dict", "options": websocket},
        "mcp": {"type": "dict", "options": mcp},
        "postgres": {"type": "dict", "options": postgres},
        "follow_redirects": {"type": "int"},
        "cookies": {"type": "bool"},
        "max_body_bytes": {"type": "int"},
        "tls": {"type": "dict", "options": tls},
        "depends_on": {"type": "list", "elements": "str"},
        "always": {"type": "bool", "default": False},
        "extract": {"type": "dict"},
        "expect": {"type": "dict", "options": expect},
        "timeout": {"type": "float", "default": 10.0},
        "retry_for": {"type": "float"},
        "interval": {"type": "float", "default": 1.0},
        "backoff": {"type": "float", "default": 1.5},
        "max_interval": {"type": "float", "default": 10.0},
        "jitter": {"type": "float", "default": 0.1},
        "consecutive_successes": {"type": "int", "default": 1},
        "stable_for": {"type": "float", "default": 0.0},
        "invert": {"type": "bool", "default": False},
        "latency": {"type": "dict", "options": latency},
    }
    return {
        # As in _kube.module_base, whose import would load the kubernetes library for checks that need none of it.
        "kubeconfig": {"type": "path"},
        "context": {"type": "str"},
        "checks": {"type": "list", "elements": "dict", "required": True, "options": check},
        "variables": {"type": "dict", "default": {}},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "deadline": {"type": "float", "default": 120.0},
        "max_parallel": {"type": "int", "default": 256},
        "fail_fast": {"type": "bool", "default": False},
        "report_json": {"type": "path"},
        "report_junit": {"type": "path"},
    }


def compile_path(path: str) -> Search:
    """Compile a JMESPath to a function from a document to a value, ABSENT or UNKNOWN; ValueError for a wrong one.

    JMESPath itself says null for all three. Absent is what could be there: the last name of the path is not in an object
    that is there, or nothing of a list that is there fits. Where what comes before is missing already, the path is misspelt
    or the body is another one, so nothing is known. The same holds when a function is given a value that it does not take.
    """
    if not path:
        raise ValueError("it is empty")
    try:
        parsed = jmespath.compile(path)
    except (RecursionError, LookupError, TypeError, AttributeError):
        raise ValueError("it cannot be read") from None
    name, container = _container(parsed)

    def search(document: Any) -> Any:
        try:
            value = parsed.search(document)
            if value is not None:
                return value
            held = container(document)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError):
            # jmespath's own errors are ValueErrors, but its functions trust the values that they are given.
            return UNKNOWN
        if name is None:
            return UNKNOWN if held is None else ABSENT
        if not isinstance(held, Mapping):
            return UNKNOWN
        return None if name in held else ABSENT

    return search


def _container(parsed: Any) -> tuple[str | None, Search]:
    """Return the name that a JMESPath ends in, if it does, and a function that finds what would hold its value."""
    tree = parsed.parsed
    if tree["type"] == "field":
        return tree["value"], lambda document: document
    if tree["type"] == "current":
        return "@", lambda document: {"@": document}
    if tree["type"] not in _WITH_SOURCE:
        return None, lambda _document: True
    source, last = tree["children"][0], tree["children"][-1]
    ends_in_name = tree["type"] == "subexpression" and last["type"] == "field"
    return last["value"] if ends_in_name else None, jmespath.parser.ParsedResult("", source).search
