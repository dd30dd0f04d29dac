# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of a release as Helm reads them. Private to the collection."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

# Any escape of JSON; groups only for one that is a surrogate pair.
_ESCAPE = re.compile(r"\\(?:u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|.)", re.DOTALL)


def values_text(values: Mapping[str, Any]) -> str:
    """Return values as ASCII text that is JSON but for its surrogate pairs.

    Helm reads values as YAML, in which JSON's pair for a character beyond U+FFFF is an error, and U+0085 and U+2028 unescaped are line
    breaks: so all is escaped, and the pair is written as YAML's escape of eight digits.
    """
    return _ESCAPE.sub(_escape, json.dumps(values))


def _escape(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[0]
    code = 0x10000 + ((int(found[1], 16) - 0xD800) << 10) + int(found[2], 16) - 0xDC00
    return f"\\U{code:08X}"
