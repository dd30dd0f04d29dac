# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes of the tests: an API server that holds plain objects, in memory or served on loopback.

FakeKubernetes answers as the client's protocol does; C(serve) puts the same object behind HTTP or HTTPS with a kubeconfig.
Both compare resourceVersions before they write, pick by labels and fields, and answer wrongly when they are told to.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import http.server
import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._kube import client
from ansible_collections.slipway.kube.plugins.module_utils._kube.api import (
    APPLY_PATCH,
    JSON_PATCH,
    MERGE_PATCH,
    ApiError,
    UnreachableError,
)
from field_managers import ConflictError, applied

Object = dict[str, Any]

# By the plural of a kind: the group with its version, the kind, and whether it lies in a namespace.
KINDS = {
    "namespaces": ("/api/v1", "Namespace", False),
    "nodes": ("/api/v1", "Node", False),
    "persistentvolumes": ("/api/v1", "PersistentVolume", False),
    "pods": ("/api/v1", "Pod", True),
    "services": ("/api/v1", "Service", True),
    "secrets": ("/api/v1", "Secret", True),
    "configmaps": ("/api/v1", "ConfigMap", True),
    "events": ("/api/v1", "Event", True),
    "persistentvolumeclaims": ("/api/v1", "PersistentVolumeClaim", True),
    "deployments": ("/apis/apps/v1", "Deployment", True),
    "statefulsets": ("/apis/apps/v1", "StatefulSet", True),
    "daemonsets": ("/apis/apps/v1", "DaemonSet", True),
    "replicasets": ("/apis/apps/v1", "ReplicaSet", True),
    "jobs": ("/apis/batch/v1", "Job", True),
    "endpointslices": ("/apis/discovery.k8s.io/v1", "EndpointSlice", True),
    "horizontalpodautoscalers": ("/apis/autoscaling/v2", "HorizontalPodAutoscaler", True),
    "storageclasses": ("/apis/storage.k8s.io/v1", "StorageClass", False),
    "ingresses": ("/apis/networking.k8s.io/v1", "Ingress", True),
    "ingressclasses": ("/apis/networking.k8s.io/v1", "IngressClass", False),
    "leases": ("/apis/coordination.k8s.io/v1", "Lease", True),
    "validatingadmissionpolicies": ("/apis/admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy", False),
    "validatingadmissionpolicybindings": (
        "/apis/admissionregistration.k8s.io/v1",
        "ValidatingAdmissionPolicyBinding",
        False,
    ),
}
REASONS = {
    400: "BadRequest",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    422: "Invalid",
    429: "TooManyRequests",
}
_VERBS = ["get", "list", "create", "update", "patch", "delete", "deletecollection"]


@dataclass(frozen=True)
class Call:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def last(self) -> str:
        """The plural of what is listed, or the name of what is asked for."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Answer:
    """What is answered. C(how) is whole, or how it goes wrong: break (no answer), drip (one byte after the other, for ever)
    or endless (a body without an end).
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    how: str = "whole"

    def content(self) -> bytes:
        """The body as it is sent."""
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


def refusal(status: int, message: str = "", reason: str = "", **headers: str) -> Answer:
    """Return an error as the API server tells it; names of headers are written with underscores."""
    found = reason or REASONS.get(status, "InternalError")
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status, "reason": found}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {**body, "message": message or f"refused with {status}"}, named)


Act = Callable[[Call], "Answer | None"]


@dataclass(eq=False)
class Reaction:
    """What is done at requests that match, so many times or always."""

    pattern: str
    act: Act
    times: int | None


class FakeKubernetes:
    """An API server that holds objects. C(lists) are objects by their plural, all of C(namespace); None may not be read."""

    def __init__(self, namespace: str = "todo", **lists: list[Object] | None) -> None:
        self.namespace = namespace
        self.collections: dict[str, list[Object]] = {}
        self.forbidden: set[str] = set()
        self.calls: list[Call] = []
        self.version = 0
        self.log: str | None = "first\nlast"  # of every container; None: it is gone
        self.answers: tuple[int, str] | None = (200, "")  # of every pod and Service through the API; None: none in time
        self.commands: dict[str, tuple[int, bytes]] = {}  # what a command in a pod ends with and writes
        self.user: Object = {"username": "admin", "groups": ["system:authenticated", "system:masters"]}
        self.may_impersonate = True
        self.forwarded: int | None = None  # the port of this machine that every forward leads to
        self._reactions: list[Reaction] = []
        for plural, items in lists.items():
            self.put(plural, items)

    def __enter__(self) -> FakeKubernetes:
        return self

    def __exit__(self, *_error: object) -> None:
        """Nothing is open."""

    def identity(self) -> str:
        """Return what stands for this cluster."""
        return f"cluster of {self.namespace}"

    # ------------------------------------------------------------ what is there
    def path(self, plural: str, namespace: str | None = None) -> str:
        """Return the path of a kind's list."""
        group, _kind, namespaced = KINDS[plural]
        return f"{group}/namespaces/{namespace or self.namespace}/{plural}" if namespaced else f"{group}/{plural}"

    def put(self, plural: str, items: list[Object] | None, namespace: str | None = None) -> None:
        """Let these objects be all of their kind; None: they may not be read."""
        path = self.path(plural, namespace)
        self.collections[path] = items or []
        (self.forbidden.add if items is None else self.forbidden.discard)(path)

    def add(self, plural: str, name: str, namespace: str | None = None, **fields: Any) -> Object:
        """Add an object; C(labels) and C(annotations) are those of its metadata."""
        group, kind, namespaced = KINDS[plural]
        metadata = {key: fields.pop(key) for key in ("labels", "annotations") if fields.get(key) is not None}
        metadata |= {
            "name": name,
            "uid": f"uid-{name}",
            **({"namespace": namespace or self.namespace} if namespaced else {}),
        }
        made = {
            "apiVersion": group.removeprefix("/api/").removeprefix("/apis/"),
            "kind": kind,
            "metadata": metadata,
            **fields,
        }
        self.collections.setdefault(self.path(plural, namespace), []).append(self._changed(made))
        return made

    def get(self, plural: str, name: str, namespace: str | None = None) -> Object:
        """Return an object. Raises KeyError when it is not there."""
        return self._find(f"{self.path(plural, namespace)}/{name}")[1]

    def names(self, plural: str, namespace: str | None = None) -> list[str]:
        """Return the names of a kind's objects."""
        return [item["metadata"]["name"] for item in self.collections.get(self.path(plural, namespace), [])]

    def react(self, pattern: str, act: Act, times: int | None = None) -> None:
        """Let C(act) answer requests whose method and path, with a blank between, match, so many times.

        Its None goes on as if it were not there.
        """
        self._reactions.append(Reaction(pattern, act, times))

    def go_wrong(self, answer: Answer, pattern: str = "", times: int | None = 1) -> None:
        """Answer the next requests that match like this."""
        self.react(pattern, lambda _call: answer, times)

    # ------------------------------------------------------------ what was asked
    @property
    def writes(self) -> list[Call]:
        """The requests that change something."""
        return [call for call in self.calls if call.method not in ("GET", "HEAD") and not _is_dry_run(call)]

    @property
    def kinds(self) -> list[str]:
        """The last words of the paths of what was asked."""
        return [call.last for call in self.calls]

    @property
    def asked(self) -> list[str]:
        """The paths of what was asked of pods and Services."""
        return [call.path for call in self.calls if "/proxy" in call.path]

    # ------------------------------------------------------------ the client's protocol
    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        raw: bool = False,
        timeout: float | None = None,
    ) -> Any:
        answer = self.answer(Call(method, path, dict(query or {}), copy.deepcopy(body), content_type))
        if answer.how != "whole":
            raise UnreachableError(f"The Kubernetes API does not answer: {answer.how}.")
        if answer.status >= 400:
            raise ApiError(answer.status, answer.body["reason"], answer.body["message"])
        return answer.body if raw else copy.deepcopy(answer.body)

    def items(self, path: str, **query: str) -> list[Object]:
        found: list[Object] = self.request("GET", path, query)["items"]
        return found

    def ask(self, path: str, timeout: float = 3.0) -> tuple[int, str]:
        answer = self.answer(Call("GET", path))
        if answer.how != "whole":
            raise UnreachableError("no answer")
        return answer.status, answer.content().decode()

    # ------------------------------------------------------------ answering
    def answer(self, call: Call) -> Answer:
        """Answer a request."""
        self.calls.append(call)
        for reaction in list(self._reactions):
            if not re.search(reaction.pattern, f"{call.method} {call.path}"):
                continue
            if reaction.times is not None:
                reaction.times -= 1
                if not reaction.times:
                    self._reactions.remove(reaction)
            answer = reaction.act(call)
            if answer is not None:
                return answer
        if "/proxy" in call.path:
            return Answer(how="break") if self.answers is None else Answer(*self.answers)
        if call.path.endswith("/log"):
            return refusal(400, "no log") if self.log is None else Answer(200, self.log)
        if call.path in self._discovery():
            return Answer(200, self._discovery()[call.path])
        if "impersonate-user" in call.headers and not self.may_impersonate:
            return refusal(403, 'users "admin" is forbidden: cannot impersonate')
        if call.path.endswith("/selfsubjectreviews"):
            return Answer(201, {"kind": "SelfSubjectReview", "status": {"userInfo": self._user(call)}})
        return self._refused(call) or getattr(self, f"_{call.method.lower()}")(call)

    def _user(self, call: Call) -> Object:
        if "impersonate-user" not in call.headers:
            return self.user
        extra = {
            name.removeprefix("impersonate-extra-"): value.split(", ")
            for name, value in call.headers.items()
            if name.startswith("impersonate-extra-")
        }
        groups = sorted({*call.headers["impersonate-group"].split(", "), "system:authenticated"})
        return {"username": call.headers["impersonate-user"], "groups": groups, "extra": extra}

    def _refused(self, call: Call) -> Answer | None:
        """Refuse what a policy refuses. Of CEL, only the one form is known that says which runs may not write."""
        if call.method in ("GET", "HEAD"):
            return None
        run = self._user(call).get("extra", {}).get("slipway-run", [""])[0]
        bound = [item["spec"]["policyName"] for item in self._all("validatingadmissionpolicybindings")]
        for item in self._all("validatingadmissionpolicies"):
            (rule,) = item["spec"]["validations"]
            runs = re.fullmatch(r"!\(request\.userInfo\.extra\['slipway-run'\]\[0\] in (\[.*\])\)", rule["expression"])
            assert runs, rule["expression"]
            if item["metadata"]["name"] in bound and run in json.loads(runs[1]):
                return refusal(403, f"denied request: {rule['message']}")
        return None

    def _all(self, plural: str) -> list[Object]:
        return self.collections.get(self.path(plural), [])

    def _get(self, call: Call) -> Answer:
        plural = call.last
        if plural in KINDS and call.path in (
            self.path(plural, call.path.split("/")[-2]),
            f"{KINDS[plural][0]}/{plural}",
        ):
            return self._list(call)
        try:
            return Answer(200, self._find(call.path)[1])
        except KeyError:
            return refusal(404, f"no {call.last}")

    def _list(self, call: Call) -> Answer:
        group, kind, _namespaced = KINDS[call.last]
        everywhere = re.compile(f"{re.escape(group)}/(namespaces/[^/]+/)?{call.last}")
        paths = (
            [call.path]
            if "/namespaces/" in call.path
            else [one for one in self.collections if everywhere.fullmatch(one)]
        )
        if call.path in self.forbidden:
            return refusal(403, f"may not list {call.last}")
        labels, selected = call.query.get("labelSelector", ""), call.query.get("fieldSelector", "")
        items = [item for path in paths for item in self.collections.get(path, []) if picks(labels, selected, item)]
        version = {"resourceVersion": str(self.version)}
        return Answer(200, {"apiVersion": "v1", "kind": f"{kind}List", "metadata": version, "items": items})

    def _post(self, call: Call) -> Answer:
        item: Object = call.body
        name = item["metadata"]["name"]
        namespace = _namespace(call.path)
        if namespace and namespace not in self.names("namespaces"):
            return refusal(404, f'namespaces "{namespace}" not found')
        if item["metadata"].get("resourceVersion"):
            return refusal(409, "resourceVersion should not be set on objects to be created")
        found = self.collections.setdefault(call.path, [])
        if any(one["metadata"]["name"] == name for one in found):
            return refusal(409, f"{name} already exists", "AlreadyExists")
        item["metadata"].setdefault("uid", f"uid-{name}-{self.version}")
        if namespace:
            item["metadata"]["namespace"] = namespace
        found.append(self._changed(item))
        return Answer(201, item)

    def _patch(self, call: Call) -> Answer:
        if call.content_type == APPLY_PATCH:
            return self._apply(call)
        if call.content_type == JSON_PATCH:
            return self._replace(call, lambda item: replaced(item, call.body))
        if call.content_type != MERGE_PATCH:
            return refusal(415, f"{call.content_type} is not supported", "UnsupportedMediaType")
        return self._replace(call, lambda item: merge(item, call.body))

    def _apply(self, call: Call) -> Answer:
        place = call.path.rpartition("/")[0]
        try:
            items, live = self._find(call.path)
        except KeyError:
            items, live = self.collections.setdefault(place, []), None
        try:
            new = applied(live, call.body, call.query["fieldManager"], call.query.get("force") == "true")
        except ConflictError as error:
            return refusal(409, str(error))
        if not call.query.get("dryRun"):
            new["metadata"].setdefault("uid", f"uid-{call.last}-{self.version}")
            items[:] = [self._changed(new) if one is live else one for one in items]
            if live is None:
                items.append(self._changed(new))
        return Answer(200 if live else 201, new)

    def _put(self, call: Call) -> Answer:
        return self._replace(call, lambda _item: call.body)

    def _replace(self, call: Call, change: Callable[[Object], Object]) -> Answer:
        try:
            items, item = self._find(call.path.removesuffix("/status"))
        except KeyError:
            return refusal(404, f"no {call.last}")
        body = call.body if isinstance(call.body, dict) else replaced({}, call.body)
        wanted = (body.get("metadata") or {}).get("resourceVersion")
        if wanted is not None and wanted != item["metadata"].get("resourceVersion"):
            return refusal(409, "the object has been modified; please apply your changes to the latest version")
        if call.query.get("dryRun"):
            return Answer(200, change(copy.deepcopy(item)))
        new = self._changed(change(copy.deepcopy(item)))
        items[items.index(item)] = new
        return Answer(200, new)

    def _delete(self, call: Call) -> Answer:
        if _is_dry_run(call):
            return self._get(call)
        if call.path in self.collections and call.last in KINDS:
            self.collections[call.path] = []
            return Answer(200, {"kind": "Status", "status": "Success"})
        try:
            items, item = self._find(call.path)
        except KeyError:
            return refusal(404, f"no {call.last}")
        items.remove(item)
        if call.path.startswith("/api/v1/namespaces/") and call.path.count("/") == 4:
            for path in [path for path in self.collections if f"/namespaces/{call.last}/" in path]:
                del self.collections[path]
        return Answer(200, {"kind": "Status", "status": "Success"})

    def _find(self, path: str) -> tuple[list[Object], Object]:
        place, _slash, name = path.rpartition("/")
        for item in self.collections.get(place, []):
            if item["metadata"].get("name") == name:
                return self.collections[place], item
        raise KeyError(path)

    def _changed(self, item: Object) -> Object:
        self.version += 1
        item["metadata"]["resourceVersion"] = str(self.version)
        return item

    @staticmethod
    def _discovery() -> dict[str, Object]:
        found: dict[str, Object] = {
            "/version": {"major": "1", "minor": "35", "gitVersion": "v1.35.1"},
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
        }
        groups = []
        for group in dict.fromkeys(group for group, _kind, _namespaced in KINDS.values()):
            resources = [
                {"name": plural, "singularName": "", "namespaced": inside, "kind": kind, "verbs": _VERBS}
                for plural, (of, kind, inside) in KINDS.items()
                if of == group
            ]
            named = group.removeprefix("/api/").removeprefix("/apis/")
            found[group] = {"kind": "APIResourceList", "groupVersion": named, "resources": resources}
            if named != "v1":
                version = {"groupVersion": named, "version": "v1"}
                groups.append({"name": named.partition("/")[0], "versions": [version], "preferredVersion": version})
        found["/apis"] = {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        return found


def _is_dry_run(call: Call) -> bool:
    body = call.body if isinstance(call.body, dict) else {}
    return bool(call.query.get("dryRun") or body.get("dryRun"))


def stand_in(fake: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let modules find this cluster, whatever kubeconfig they are given."""
    monkeypatch.setattr(client, "KubernetesClient", lambda *_place: fake)


def nobody(monkeypatch: pytest.MonkeyPatch, message: str = "There is no cluster.") -> None:
    """Let modules find no cluster."""

    def refuse(*_place: object) -> None:
        raise UnreachableError(message)

    monkeypatch.setattr(client, "KubernetesClient", refuse)


def replaced(item: Object, operations: list[Object]) -> Object:
    """Apply a JSON patch (RFC 6902) of which only C(replace) is known."""
    for one in operations:
        assert one["op"] == "replace", one
        node = item
        *above, last = one["path"].removeprefix("/").split("/")
        for key in above:
            node = node.setdefault(key, {})
        node[last] = one["value"]
    return item


def merge(item: Any, patch: Any) -> Any:
    """Apply a JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    found = dict(item) if isinstance(item, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merge(found.get(key), value)
    return found


def picks(labels: str, selected: str, item: Object) -> bool:
    """Tell whether an object is one that a label selector and a field selector pick."""
    found = (item.get("metadata") or {}).get("labels") or {}
    return all(_by_label(one, found) for one in re.split(r",(?![^(]*\))", labels) if one) and all(
        _by_field(one, item) for one in selected.split(",") if one
    )


def _by_label(part: str, labels: Mapping[str, str]) -> bool:
    within = re.fullmatch(r"\s*(\S+)\s+(in|notin)\s+\(([^)]*)\)\s*", part)
    if within:
        values = [one.strip() for one in within[3].split(",")]
        return (labels.get(within[1]) in values) == (within[2] == "in")
    key, operator, value = (one.strip() for one in re.fullmatch(r"([^!=]*)(!=|==|=|!|)(.*)", part).groups())  # type: ignore[union-attr]
    if operator == "!" or not operator:
        return (key in labels) if not operator else value not in labels
    return (labels.get(key) == value) == (operator != "!=")


def _by_field(part: str, item: Any) -> bool:
    path, operator, value = re.fullmatch(r"([^!=]*)(!=|==|=)(.*)", part).groups()  # type: ignore[union-attr]
    for key in path.split("."):
        item = (item or {}).get(key)
    return (str(item or "") == value) == (operator != "!=")


def _namespace(path: str) -> str:
    found = re.match(r"/apis?/.*?namespaces/([^/]+)/", path)
    return found[1] if found else ""


# ---------------------------------------------------------------- served
class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Served

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        kind = self.headers.get("Content-Type") or ""
        body = json.loads(text) if text and "json" in kind else None
        call = Call(
            self.command,
            url.path,
            query,
            body,
            kind,
            {name.lower(): ", ".join(self.headers.get_all(name, [])) for name in self.headers},
        )
        if self.headers.get("Upgrade", "").lower() == "websocket":
            self.server.fake.calls.append(call)
            return self._stream(call, [one for key, one in parse_qsl(url.query) if key == "command"])
        with self.server.lock:
            answer = self.server.fake.answer(call)
        if answer.how == "break":
            self.close_connection = True
            return None
        return self._send(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _send(self, answer: Answer) -> None:
        content = answer.content()
        kind = "text/plain" if isinstance(answer.body, str | bytes) else "application/json"
        headers = {"Content-Type": kind, "Content-Length": str(len(content)), **answer.headers}
        if answer.how == "endless":
            del headers["Content-Length"]
            self.close_connection = True
        with contextlib.suppress(OSError):  # the client has given up
            if answer.how == "drip":
                for letter in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * (1 << 20):
                    self.wfile.write(bytes([letter]))
                    if self.server.over.wait(0.02):
                        break
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            while answer.how == "endless" and not self.server.over.wait(0.02):
                self.wfile.write(b"data: more\n\n")

    def _stream(self, call: Call, command: list[str]) -> None:
        self.close_connection = True
        missing = call.path.rpartition("/")[0].rpartition("/")[2]
        if missing not in self.server.fake.names("pods", _namespace(call.path)):
            return self._send(refusal(404, f'pods "{missing}" not found'))
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Protocol", "v4.channel.k8s.io")
        self.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        self.end_headers()
        with contextlib.suppress(OSError):
            if call.path.endswith("/exec"):
                self._exec(" ".join(command))
            else:
                self._forward(int(call.query["ports"]))
        return None

    def _exec(self, command: str) -> None:
        if command not in self.server.fake.commands:
            self.server.over.wait()  # it goes on for ever
            return
        code, output = self.server.fake.commands[command]
        half = len(output) // 2
        self._frame(b"\x01" + output[:half])
        self._frame(b"\x02" + output[half:])
        causes = [{"reason": "ExitCode", "message": str(code)}]
        failure = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
        self._frame(b"\x03" + json.dumps(failure if code else {"status": "Success"}).encode())
        self._frame(b"\x03\xe8", 8)

    def _forward(self, port: int) -> None:
        for channel in (0, 1):
            self._frame(bytes([channel]) + port.to_bytes(2, "little"))
        if self.server.fake.forwarded is None:
            self._frame(b"\x01connection refused")
            return
        with socket.create_connection(("127.0.0.1", self.server.fake.forwarded)) as behind:

            def back() -> None:
                with contextlib.suppress(OSError):
                    while data := behind.recv(65536):
                        self._frame(b"\x00" + data)
                    self._frame(b"\x03\xe8", 8)

            thread = threading.Thread(target=back, daemon=True)
            thread.start()
            while data := self._read_frame():
                behind.sendall(data[1:])
            behind.shutdown(socket.SHUT_RDWR)
            thread.join()

    def _frame(self, data: bytes, kind: int = 2) -> None:
        size = bytes([len(data)]) if len(data) < 126 else b"\x7e" + len(data).to_bytes(2, "big")
        self.wfile.write(bytes([0x80 | kind]) + size + data)

    def _read_frame(self) -> bytes:
        head = self.rfile.read(2)
        if len(head) < 2 or head[0] & 15 == 8:
            return b""
        size = head[1] & 127
        if size > 125:
            size = int.from_bytes(self.rfile.read(2 if size == 126 else 8), "big")
        mask, data = self.rfile.read(4), self.rfile.read(size)
        return bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Served(http.server.ThreadingHTTPServer):
    """A fake behind a port of loopback."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, fake: FakeKubernetes, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.fake = fake
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.connections = 0
        super().__init__(("127.0.0.1", port), _Handler)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server_port}"
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def get_request(self) -> tuple[Any, Any]:
        """Count the connections."""
        self.connections += 1
        return super().get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went."""

    def kubeconfig(self, place: Path, user: Object | None = None, **cluster: Any) -> str:
        """Write a kubeconfig for this server and return its path. C(cluster) are fields of its cluster, with underscores."""
        fields = {"server": self.url, **{name.replace("_", "-"): value for name, value in cluster.items()}}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "clusters": [{"name": "k", "cluster": fields}],
            "users": [{"name": "u", "user": user or {}}],
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
        }
        path = place / "kubeconfig"
        path.write_text(json.dumps(content))
        return str(path)


@contextlib.contextmanager
def serve(fake: FakeKubernetes, tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Served]:
    """Serve a fake on loopback until the end, at any port or at one that was free before."""
    server = Served(fake, tls, port)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
