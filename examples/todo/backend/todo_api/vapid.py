"""The keys that identify a server to push services (VAPID, RFC 8292).

A pair on the curve P-256, each half in base64url without padding as browsers and the web-push tools write it: the
public one an uncompressed point of 65 bytes, the private one a number of 32 bytes.
``python -m todo_api.vapid`` prints a new pair.
"""

from __future__ import annotations

import base64
import binascii
import re

_HINT = "make a pair with `python -m todo_api.vapid` and set both of it"


def _decode(text: str, length: int) -> bytes | None:
    """Return the bytes of a base64url text, None when they are not exactly ``length``."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", text):
        return None
    try:
        found = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        return None
    return found if len(found) == length else None


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _public_of(private: bytes) -> bytes:
    """Return the public point of a private number; raises ValueError when the number is none of the curve's."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = ec.derive_private_key(int.from_bytes(private), ec.SECP256R1())
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def check_pair(public: str, private: str) -> None:
    """Accept a whole pair, or none.

    Raises:
        ValueError: a sentence that names the variable and never repeats a key.
    """
    if not public and not private:
        return
    if not public or not private:
        given, missing = ("PUBLIC", "PRIVATE") if public else ("PRIVATE", "PUBLIC")
        raise ValueError(f"VAPID_{given}_KEY is set and VAPID_{missing}_KEY is not: {_HINT}, or set neither.")
    point = _decode(public, 65)
    if point is None or point[0] != 4:
        raise ValueError(f"VAPID_PUBLIC_KEY is no public key (65 bytes in base64url, 87 characters): {_HINT}.")
    number = _decode(private, 32)
    try:
        derived = _public_of(number) if number else None
    except ValueError:
        derived = None
    if derived is None:
        raise ValueError(f"VAPID_PRIVATE_KEY is no private key (32 bytes in base64url, 43 characters): {_HINT}.")
    if derived != point:
        raise ValueError(f"VAPID_PRIVATE_KEY does not belong to VAPID_PUBLIC_KEY: {_HINT}.")


def make_pair() -> tuple[str, str]:
    """Return a new pair, the public half first."""
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value.to_bytes(32)
    return _encode(_public_of(private)), _encode(private)


if __name__ == "__main__":
    print("VAPID_PUBLIC_KEY={}\nVAPID_PRIVATE_KEY={}".format(*make_pair()))
