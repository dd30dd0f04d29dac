# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS: what is asked of it, its contexts, its faults, and how long a certificate lasts. Private to the collection."""

from __future__ import annotations

import functools
import os
import ssl
from dataclasses import dataclass, replace
from datetime import datetime, timezone

from ansible_collections.slipway.kube.plugins.module_utils._http.faults import CheckError, SpecError

_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}
_CLIENT_CERTIFICATE = ("CERTIFICATE_REQUIRED", "ALERT_BAD_CERTIFICATE", "ALERT_UNKNOWN_CA", "ALERT_CERTIFICATE")
_VERSION_REASONS = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "NO_PROTOCOLS_AVAILABLE", "VERSION_TOO_LOW")


@dataclass(frozen=True)
class Tls:
    """How TLS is spoken and what the certificate must hold."""

    verify: bool = True
    ca_path: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    server_name: str | None = None
    min_version: str = "TLSv1.2"
    min_days_left: int | None = None


def make_context(tls: Tls, alpn: str = "http/1.1") -> ssl.SSLContext:
    """Return the TLS context of a check, shared by all checks that differ in name or demanded days only.

    Raises SpecError with the key of the option whose file cannot be used.
    """
    return _context(replace(tls, server_name=None, min_days_left=None), alpn)


@functools.lru_cache(maxsize=64)
def _context(tls: Tls, alpn: str) -> ssl.SSLContext:
    # Each holds all authorities of the system, which takes memory and time.
    key = "tls.ca_path"
    try:
        directory = bool(tls.ca_path) and os.path.isdir(str(tls.ca_path))
        context = ssl.create_default_context(
            cafile=None if directory else tls.ca_path, capath=tls.ca_path if directory else None
        )
        # Python 3.13 began to demand extensions that home-made authorities often lack; other clients do not.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.minimum_version = _VERSIONS[tls.min_version]
        if alpn:
            context.set_alpn_protocols([alpn])
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if tls.client_cert:
            key = "tls.client_cert"
            # An empty password makes an encrypted key an error; without it OpenSSL would ask on the terminal.
            context.load_cert_chain(tls.client_cert, tls.client_key, password="")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        path = tls.client_cert if key == "tls.client_cert" else tls.ca_path
        raise SpecError(f"{key}: {path} cannot be used: {reason}.") from None
    return context


def tls_error(error: ssl.SSLError, name: str) -> CheckError:
    """Give an error of the ssl module its code."""
    if isinstance(error, ssl.SSLCertVerificationError):
        detail = f"{name}: {error.verify_message.rstrip('.')}."
        codes = {10: "tls_expired", 9: "tls_not_yet_valid", 62: "tls_name_mismatch", 64: "tls_name_mismatch"}
        return CheckError(codes.get(error.verify_code, "tls_untrusted"), detail)
    reason = (error.reason or "").upper()
    detail = f"{name}: {(error.reason or str(error)).lower().replace('_', ' ')}."
    if any(word in reason for word in _VERSION_REASONS):
        return CheckError("tls_version", detail)
    if any(word in reason for word in _CLIENT_CERTIFICATE):
        return CheckError("tls_client_certificate", detail)
    return CheckError("tls_failed", detail)


def not_after(certificate: bytes) -> datetime:
    """Return the end of validity of a DER certificate; raises ValueError when the bytes are none.

    The ssl module decodes a certificate only when it was verified.
    """
    from cryptography import x509  # here, because it takes a tenth of a second and plain HTTP needs none of it

    return x509.load_der_x509_certificate(certificate).not_valid_after_utc


def days_left(certificate: bytes | None) -> float | None:
    """Return the days until a certificate ends, negative when it has; None without a readable one."""
    if not certificate:
        return None
    try:
        return round((not_after(certificate) - datetime.now(timezone.utc)).total_seconds() / 86400, 2)
    except ValueError:
        return None
