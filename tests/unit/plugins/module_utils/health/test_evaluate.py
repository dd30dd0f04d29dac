# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of an answer that is here."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import parse_checks
from ansible_collections.slipway.kube.plugins.module_utils._health.evaluate import Verdict, judge
from ansible_collections.slipway.kube.plugins.module_utils._health.options import compile_path
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Response


def judged(body: bytes, **expect: Any) -> Verdict:
    (check,) = parse_checks([{"name": "page", "url": "http://a.test/", "expect": expect}], [], compile_path)
    return judge(check, Response(status=200, body=body, url="http://a.test/"), {}, Masker())


@pytest.mark.parametrize(
    ("expect", "passes"),
    [
        ({"max_bytes": 5}, True),
        ({"max_bytes": 4}, True),
        ({"max_bytes": 3}, False),
        ({"min_bytes": 3}, True),
        ({"min_bytes": 4}, True),
        ({"min_bytes": 5}, False),
        ({"min_bytes": 4, "max_bytes": 4}, True),
    ],
)
def test_size_of_the_body(expect: dict[str, int], passes: bool) -> None:
    verdict = judged(b"four", **expect)
    assert (verdict.fault is None) is passes
    sizes = [(item.predicate, item.expected, item.observed) for item in verdict.assertions if item.subject == "size"]
    words = {"max_bytes": "at_most", "min_bytes": "at_least"}
    assert sizes == [(words[kind], wanted, 4) for kind, wanted in sorted(expect.items(), reverse=True)]
