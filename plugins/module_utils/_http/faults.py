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


@dataclass(frozen=True)
class Fault:
    """What one code means: the cause in one sentence, and what a person can do about it."""

    cause: str
    suggestion: str


FAULTS: Mapping[str, Fault] = {
    # Finding and reaching the other side
    "dns_failed": Fault(
        "The host name could not be resolved.",
        "Correct the name, or give its address in resolve so that no DNS is needed.",
    ),
    "dns_timeout": Fault(
        "The name server did not answer in time.",
        "Check the resolver of this host, or give the address in resolve.",
    ),
    "connect_refused": Fault(
        "Nothing listens on that address and port.",
        "Check that the service runs and that the port is the published one.",
    ),
    "connect_timeout": Fault(
        "The connection was not accepted in time.",
        "Check that the address is routed and that no firewall or network policy drops the packets.",
    ),
    "connect_failed": Fault(
        "The connection could not be made.",
        "Check the address, the route to it, and the path and permissions of a Unix socket.",
    ),
    "proxy_failed": Fault(
        "The proxy did not open the way to the host.",
        "Check the proxy's address and that it allows this host and port.",
    ),
    # TLS
    "tls_name_mismatch": Fault(
        "The certificate is for another name.",
        "Ask by a name in the certificate, set tls.server_name, or issue a certificate for this name.",
    ),
    "tls_expired": Fault(
        "The certificate has expired.",
        "Renew the certificate and reload the server, and check this host's clock.",
    ),
    "tls_not_yet_valid": Fault(
        "The certificate is not valid yet.",
        "Check the clock of this host and of the issuer.",
    ),
    "tls_expires_soon": Fault(
        "The certificate ends earlier than demanded.",
        "Renew the certificate, or lower tls.min_days_left.",
    ),
    "tls_untrusted": Fault(
        "The certificate is not signed by a trusted authority.",
        "Name the authority's certificate in tls.ca_path, and send the whole chain from the server.",
    ),
    "tls_version": Fault(
        "The two sides share no allowed TLS version.",
        "Enable a newer TLS version on the server, or lower tls.min_version.",
    ),
    "tls_client_certificate": Fault(
        "The server refused the client certificate or demands one.",
        "Give a certificate and key that the server trusts in tls.client_cert and tls.client_key.",
    ),
    "tls_timeout": Fault(
        "The TLS handshake did not end in time.",
        "Check that the port speaks TLS and that the server is not overloaded.",
    ),
    "tls_failed": Fault(
        "The TLS handshake failed.",
        "Check that the port speaks TLS; a plain HTTP port answers https like this.",
    ),
    # The conversation
    "write_timeout": Fault(
        "The request could not be sent in time.",
        "Check that the server reads its connections, or raise timeout.",
    ),
    "read_timeout": Fault(
        "The answer was not complete in time.",
        "Look at the server's log for a slow request, or raise timeout.",
    ),
    "connection_reset": Fault(
        "The other side reset the connection.",
        "Look at the server's log for a crash or restart at this moment.",
    ),
    "connection_closed": Fault(
        "The other side closed the connection before the answer was complete.",
        "Look at the server's log for a crash; a proxy in between may have cut the answer.",
    ),
    "protocol_error": Fault(
        "The answer is not valid HTTP.",
        "Check that the port speaks HTTP/1.1 and not TLS or another protocol.",
    ),
    "headers_too_large": Fault(
        "The answer's headers are larger than 64 KiB.",
        "Find what the server puts into its headers, most often cookies.",
    ),
    "body_too_large": Fault(
        "The answer's body is larger than allowed.",
        "Ask for a smaller resource, or raise max_body_bytes.",
    ),
    "encoding_error": Fault(
        "The body's content encoding could not be decoded.",
        "Check the server's compression; gzip, deflate and identity are understood.",
    ),
    "redirect_loop": Fault(
        "The redirects lead back to where they began.",
        "Check the server's and the ingress's redirect rules, most often http to https behind a proxy.",
    ),
    "redirect_limit": Fault(
        "There are more redirects than allowed.",
        "Ask for the final address directly, or raise follow_redirects.",
    ),
    "redirect_invalid": Fault(
        "The redirect leads nowhere that can be asked.",
        "Correct the Location header that the server sends.",
    ),
    # What was expected
    "status_unexpected": Fault(
        "The status is not an expected one.",
        "Look at the server's log for this request, or correct expect.status.",
    ),
    "body_not_json": Fault(
        "The body is not JSON.",
        "Check that the address is the API's and not a page's, and what the server answers there.",
    ),
    "assertion_failed": Fault(
        "The answer is not what was expected.",
        "Compare the observed value with the expectation and correct the one that is wrong.",
    ),
    "judging_timeout": Fault(
        "Judging the answer took too long.",
        "Simplify the regular expressions and JMESPaths; nested repetition such as (a+)+ can take for ever.",
    ),
    "extract_failed": Fault(
        "A value that later checks need is not in the answer.",
        "Correct the JMESPath in extract to match the answer's shape.",
    ),
    "identity_mismatch": Fault(
        "Something else than the deployed version answers.",
        "Wait for the rollout to end, and check that the Service selects only the new pods.",
    ),
    "unexpectedly_healthy": Fault(
        "It answers although it must not.",
        "Stop or block what answers there, or remove invert.",
    ),
    "not_stable": Fault(
        "It answered well, but not often or long enough in a row.",
        "Look for restarts and failing replicas, or give the check more time.",
    ),
    "latency_exceeded": Fault(
        "It answers slower than allowed.",
        "Look at the load and CPU limits of the workload, or raise the ceiling.",
    ),
    "error_rate_exceeded": Fault(
        "Too many of the measured requests failed.",
        "Look at the first error and at the server's log.",
    ),
    # Kubernetes
    "library_missing": Fault(
        "The Python library kubernetes is not installed on this host.",
        "Install the library kubernetes for the Python that Ansible uses there.",
    ),
    "kubeconfig_invalid": Fault(
        "The kubeconfig or its context cannot be used.",
        "Check the path and the context; kubectl config get-contexts lists them.",
    ),
    "kubernetes_api": Fault(
        "The Kubernetes API refused the request or does not answer.",
        "Try the same with kubectl, and check the rights of the kubeconfig's user.",
    ),
    "pod_not_found": Fault(
        "No ready pod was found for the check.",
        "Check the pod's name, the Service's selector and kubectl get pods.",
    ),
    "command_failed": Fault(
        "The command in the pod ended with an unexpected code.",
        "Run the command by kubectl exec and read its output.",
    ),
    "grpc_unimplemented": Fault(
        "The server gave no health answer.",
        "Check the service name, and that the server offers grpc.health.v1.Health.",
    ),
    "grpc_not_serving": Fault(
        "The gRPC server says that it does not serve.",
        "Look at the server's log for why it reports itself unhealthy.",
    ),
    # The run itself
    "dependency_failed": Fault(
        "A check that this one depends on is not healthy.",
        "Repair that check first.",
    ),
    "deadline": Fault(
        "The deadline of the whole task has passed.",
        "Raise deadline, or find which check needs so long.",
    ),
    "cancelled": Fault(
        "Another check failed and fail_fast is on.",
        "Repair the failed check first, or turn fail_fast off to see all results.",
    ),
    "placeholder_invalid": Fault(
        "A value cannot be put into the request.",
        "Check the value that the placeholder stands for: no line breaks in headers or addresses.",
    ),
    "internal_error": Fault(
        "The check itself failed in a way that it does not know.",
        "Report this with the task's options and the message.",
    ),
}


class CheckError(Exception):
    """One fault of one attempt.

    The code is a key of FAULTS, the detail is the evidence in a few words (never a whole body).
    """

    def __init__(self, code: str, detail: str = "") -> None:
        self.fault = FAULTS[code]
        self.code = code
        self.detail = detail
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
