# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The closed list of faults that a health check can name. Private to the collection.

Every fault has one code, one cause text and one suggestion, all in FAULTS. Code elsewhere raises
CheckError with a code of this table; an unknown code is a programming error and raises KeyError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum


class Side(Enum):
    """Whose fault it is. Only one of the other side shows that an endpoint does not respond as it would if healthy."""

    HERE = "this machine, its options or its clock"
    WAY = "what lies between: DNS, a proxy, the Kubernetes API"
    THERE = "the other side"


@dataclass(frozen=True)
class Fault:
    """What one code means: the cause in one sentence, what a person can do about it, and whose fault it is."""

    cause: str
    suggestion: str
    side: Side


FAULTS: Mapping[str, Fault] = {
    # Finding and reaching the other side
    "dns_failed": Fault(
        "The host name cannot be resolved.",
        "Correct the name, or set its address in resolve to bypass DNS.",
        Side.WAY,
    ),
    "dns_timeout": Fault(
        "The name server did not respond in time.",
        "Check the DNS resolver of this host, or set the address in resolve.",
        Side.WAY,
    ),
    "connect_refused": Fault(
        "Nothing is listening on this address and port.",
        "Check that the service is running and that the port is published.",
        Side.THERE,
    ),
    "connect_timeout": Fault(
        "The connection was not accepted in time.",
        "Check the route to the address, and that no firewall or network policy drops the packets.",
        Side.THERE,
    ),
    "descriptors_exhausted": Fault(
        "This machine gives no more file descriptors.",
        "Raise the limit of open files (ulimit -n), or lower max_parallel.",
        Side.HERE,
    ),
    "connect_failed": Fault(
        "The connection failed.",
        "Check the address, the route to it, and the path and permissions of a Unix socket.",
        Side.WAY,
    ),
    "proxy_failed": Fault(
        "The proxy did not connect to the host.",
        "Check the proxy's address and that it allows this host and port.",
        Side.WAY,
    ),
    # TLS
    "tls_name_mismatch": Fault(
        "The certificate is for another name.",
        "Use a name in the certificate, set tls.server_name, or issue a certificate for this name.",
        Side.HERE,
    ),
    "tls_expired": Fault(
        "The certificate has expired.",
        "Renew the certificate and reload the server, and check this host's clock.",
        Side.THERE,
    ),
    "tls_not_yet_valid": Fault(
        "The certificate is not valid yet.",
        "Check the clock of this host and of the issuer.",
        Side.HERE,
    ),
    "tls_expires_soon": Fault(
        "The certificate expires too soon.",
        "Renew the certificate, or lower tls.min_days_left.",
        Side.THERE,
    ),
    "tls_untrusted": Fault(
        "The certificate is not signed by a trusted authority.",
        "Set tls.ca_path to the certificate of the authority, and make sure that the server sends the full chain.",
        Side.HERE,
    ),
    "tls_version": Fault(
        "Client and server have no allowed TLS version in common.",
        "Enable a newer TLS version on the server, or lower tls.min_version.",
        Side.THERE,
    ),
    "tls_client_certificate": Fault(
        "The server rejected the client certificate or requires one.",
        "Set tls.client_cert and tls.client_key to a certificate and key that the server trusts.",
        Side.THERE,
    ),
    "tls_timeout": Fault(
        "The TLS handshake did not finish in time.",
        "Check that the port uses TLS and that the server is not overloaded.",
        Side.THERE,
    ),
    "tls_failed": Fault(
        "The TLS handshake failed.",
        "Check that the port uses TLS; a plain HTTP port fails like this.",
        Side.THERE,
    ),
    # The conversation
    "write_timeout": Fault(
        "The request was not sent in time.",
        "Check that the server reads from its connections, or raise timeout.",
        Side.THERE,
    ),
    "read_timeout": Fault(
        "The response was not complete in time.",
        "Check the server's log for a slow request, or raise timeout.",
        Side.THERE,
    ),
    "connection_reset": Fault(
        "The server reset the connection.",
        "Check the server's log for a crash or restart at that time.",
        Side.THERE,
    ),
    "connection_closed": Fault(
        "The server closed the connection before the response was complete.",
        "Check the server's log for a crash; a proxy in between may have truncated the response.",
        Side.THERE,
    ),
    "protocol_error": Fault(
        "The response is not valid HTTP.",
        "Check that the port uses HTTP/1.1, not TLS or another protocol.",
        Side.THERE,
    ),
    "headers_too_large": Fault(
        "The response headers are larger than 64 KiB.",
        "Find out what fills the headers, usually cookies.",
        Side.THERE,
    ),
    "body_too_large": Fault(
        "The response body is larger than allowed.",
        "Request a smaller resource, or raise max_body_bytes.",
        Side.HERE,
    ),
    "encoding_error": Fault(
        "The content encoding of the body cannot be decoded.",
        "Check the server's compression; gzip and deflate are supported, br and zstd where their Python libraries are installed.",
        Side.THERE,
    ),
    "redirect_loop": Fault(
        "The redirects form a loop.",
        "Check the redirect rules of the server and the ingress, usually from http to https behind a proxy.",
        Side.THERE,
    ),
    "redirect_limit": Fault(
        "There are more redirects than allowed.",
        "Use the final URL directly, or raise follow_redirects.",
        Side.HERE,
    ),
    "redirect_invalid": Fault(
        "The redirect has no usable target.",
        "Correct the Location header of the server.",
        Side.THERE,
    ),
    # What was expected
    "status_unexpected": Fault(
        "The status code is not the expected one.",
        "Check the server's log for this request, or correct expect.status.",
        Side.THERE,
    ),
    "body_not_json": Fault(
        "The body is not JSON.",
        "Check that the URL is that of the API, not of a page, and what the server returns.",
        Side.THERE,
    ),
    "assertion_failed": Fault(
        "The response is not the expected one.",
        "Compare the observed value with the expected one, and correct the wrong one.",
        Side.THERE,
    ),
    "expression_failed": Fault(
        "A JMESPath does not fit the response.",
        "Correct the path: what it looks into must be in the response, and be of the type that its functions take.",
        Side.HERE,
    ),
    "judging_timeout": Fault(
        "Evaluating the response took too long.",
        "Simplify the regular expressions and JMESPaths; nested repetition such as (a+)+ can take forever.",
        Side.HERE,
    ),
    "extract_failed": Fault(
        "A value that later checks need is not in the response.",
        "Correct the JMESPath in extract to match the response.",
        Side.HERE,
    ),
    "identity_mismatch": Fault(
        "A version other than the deployed one responds.",
        "Wait for the rollout to complete, and check that the Service selects only the new pods.",
        Side.THERE,
    ),
    "unexpectedly_healthy": Fault(
        "The endpoint responds, but must not.",
        "Stop or block what responds there, or remove invert.",
        Side.THERE,
    ),
    "not_stable": Fault(
        "The check succeeded, but not often or long enough in a row.",
        "Look for restarts and failing replicas, or give the check more time.",
        Side.THERE,
    ),
    "latency_exceeded": Fault(
        "The latency is higher than allowed.",
        "Check the load and CPU limits of the workload, or raise the limit in latency.",
        Side.THERE,
    ),
    "error_rate_exceeded": Fault(
        "Too many of the measured requests failed.",
        "Check the first error and the server's log.",
        Side.THERE,
    ),
    # Kubernetes
    "library_missing": Fault(
        "The Python library kubernetes is not installed on this host.",
        "Install the library kubernetes for the Python interpreter that Ansible uses there.",
        Side.HERE,
    ),
    "kubeconfig_invalid": Fault(
        "The kubeconfig or its context is not usable.",
        "Check the path and the context; kubectl config get-contexts lists them.",
        Side.HERE,
    ),
    "kubernetes_api": Fault(
        "The Kubernetes API rejected the request or is not reachable.",
        "Try the same with kubectl, and check the permissions of the kubeconfig's user.",
        Side.WAY,
    ),
    "pod_not_found": Fault(
        "No ready pod was found for the check.",
        "Check the pod's name, the Service's selector and kubectl get pods.",
        Side.WAY,
    ),
    "command_failed": Fault(
        "The command in the pod exited with an unexpected code.",
        "Run the command with kubectl exec and read its output.",
        Side.THERE,
    ),
    "grpc_unimplemented": Fault(
        "The server returned no health status.",
        "Check the service name, and that the server implements grpc.health.v1.Health.",
        Side.THERE,
    ),
    "grpc_failed": Fault(
        "The gRPC call failed.",
        "Check the server's log, and that the port and what lies before it speak gRPC.",
        Side.THERE,
    ),
    "grpc_not_serving": Fault(
        "The gRPC server reports that it is not serving.",
        "Check the server's log for the reason.",
        Side.THERE,
    ),
    # Other protocols
    "graphql_errors": Fault(
        "The GraphQL response lists errors.",
        "Correct the query, or check the server's log for the resolver that failed.",
        Side.THERE,
    ),
    "event_missing": Fault(
        "The expected event did not arrive.",
        "Check that the server sends it, and that no proxy in between collects the stream (buffering).",
        Side.THERE,
    ),
    "websocket_refused": Fault(
        "The server did not open the WebSocket.",
        "Check the path and the subprotocol, and that every proxy in between passes the header Upgrade on.",
        Side.THERE,
    ),
    "websocket_failed": Fault(
        "The WebSocket did not do what is expected.",
        "Check the server's log for this connection, or correct websocket.",
        Side.THERE,
    ),
    "mcp_host_refused": Fault(
        "The MCP server does not allow this host name.",
        "Add the host, with its port, to the allowed hosts of the server's transport security.",
        Side.THERE,
    ),
    "mcp_failed": Fault(
        "The MCP server did not answer as the protocol says.",
        "Check the path (usually /mcp, or /sse for the older transport) and the server's log.",
        Side.THERE,
    ),
    "greeting_unexpected": Fault(
        "The port speaks another protocol.",
        "Check the port, and that no TLS-only listener or proxy answers there.",
        Side.THERE,
    ),
    "service_not_ready": Fault(
        "The service does not accept sessions yet or any more.",
        "Wait until it has started; if it stays so, check its log and its limit of connections.",
        Side.THERE,
    ),
    # The run itself
    "dependency_failed": Fault(
        "A check that this one depends on is not healthy.",
        "Fix that check first.",
        Side.HERE,
    ),
    "deadline": Fault(
        "The deadline of the task has passed.",
        "Raise deadline, or find out which check takes so long.",
        Side.HERE,
    ),
    "cancelled": Fault(
        "Another check failed and fail_fast is on.",
        "Fix the failed check first, or turn fail_fast off to see all results.",
        Side.HERE,
    ),
    "placeholder_invalid": Fault(
        "A value cannot be used in the request.",
        "Check the value of the placeholder: headers and URLs must not contain line breaks.",
        Side.HERE,
    ),
    "internal_error": Fault(
        "The check failed with an unexpected error.",
        "Report this with the task's options and the message.",
        Side.HERE,
    ),
}


class CheckError(Exception):
    """One fault of one attempt.

    The code is a key of FAULTS, the detail is the evidence in a few words (never a whole body). The side is that of
    the code unless this case has another.
    """

    def __init__(self, code: str, detail: str = "", side: Side | None = None) -> None:
        self.fault = FAULTS[code]
        self.code = code
        self.detail = detail
        self.side = side or self.fault.side
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The cause followed by the evidence."""
        return f"{self.fault.cause} {self.detail}".strip()

    def as_result(self) -> dict[str, str]:
        """Return the shape of last_error in a check's result."""
        return {"code": self.code, "message": self.message, "suggestion": self.fault.suggestion}


class SpecError(ValueError):
    """A mistake in the options, named by check and key; raised before anything is sent."""
