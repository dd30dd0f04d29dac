# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a person writes into the options, and whatever a server answers: a sentence, never a traceback."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.testing import patch_module_args
from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._health import evaluate as judging
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import parse_checks
from ansible_collections.slipway.kube.plugins.module_utils._health.forms import build_body
from ansible_collections.slipway.kube.plugins.module_utils._health.options import compile_path
from ansible_collections.slipway.kube.plugins.module_utils._http.address import check_url
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import FAULTS, CheckError, SpecError
from ansible_collections.slipway.kube.plugins.module_utils._http.http11 import encode_request
from ansible_collections.slipway.kube.plugins.module_utils._http.models import Request, Response
from ansible_collections.slipway.kube.plugins.modules import health_check
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

# What is found once becomes a case of its own in the other files.
SETTINGS = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much],
)
WORDS = [
    "", " ", "a", "log in", "http://a.example/", "https://[::1]:1/", "tcp://a:1", "${x}", "${run_id}", "$${", "${", "${a b}",
    "http://${x}/", "http://u:p@h/", "http://[::1/", "http://a:99999/", "http://a:0", "://", "2xx", "200-299", "999", "(", "(a+)+$",
    "[", "a[", "a.b", "`1`", "length(@)", "@", "sort_by(a, &b)", "1e400", "inf", "nan", "-1", "0", "null", "\u2603", "\x00", "\n",
    "\ud800", "GET", "a b", "127.0.0.1:80", "[::1]:80", "Content-Length", "a" * 300,
]  # fmt: skip
texts = st.sampled_from(WORDS) | st.text(max_size=8)
numbers = st.sampled_from([0, 1, -1, 2, 10**30, -(10**30), 1 << 31]) | st.integers(-5, 2000)
floats = st.sampled_from([0.0, 1e308, 1e300, -1.0, float("inf"), float("nan"), 0.5]) | st.floats(0, 100)
anything = st.recursive(
    st.none() | st.booleans() | numbers | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def of_type(option: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that fit one option, most of them of its type, some of any."""
    kind = option["type"]
    fitting: st.SearchStrategy[Any]
    if "choices" in option:
        fitting = st.sampled_from(option["choices"])
    elif "options" in option:
        fitting = of_options(option["options"])
        fitting = st.lists(fitting, max_size=3) if kind == "list" else fitting
    elif kind == "list":
        fitting = st.lists(of_type({"type": option["elements"]}), max_size=3)
    elif kind == "dict":
        fitting = st.dictionaries(texts, texts | anything, max_size=3)
    else:
        fitting = {"int": numbers, "float": floats, "bool": st.booleans(), "raw": anything}.get(kind, texts)
    return st.integers(0, 19).flatmap(lambda chance: anything if chance == 0 else fitting)


def of_options(spec: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Dictionaries with a few of the options; those that are required are nearly always there."""
    required = {name: of_type(option) for name, option in spec.items() if option.get("required")}
    others = sorted(name for name in spec if name not in required)
    if not others:
        return st.fixed_dictionaries(required)
    chosen = st.lists(st.sampled_from(others), max_size=4, unique=True)
    more = chosen.flatmap(lambda names: st.fixed_dictionaries({name: of_type(spec[name]) for name in names}))
    return st.builds(lambda one, two: {**one, **two}, st.fixed_dictionaries(required), more)


def ended(params: dict[str, Any]) -> dict[str, Any]:
    """Run the module in check mode and return its result; anything but an orderly end is an error of the test."""
    out, given_to_it = io.StringIO(), {**params, "_ansible_check_mode": True}
    with patch_module_args(given_to_it), contextlib.redirect_stdout(out), pytest.raises(SystemExit) as caught:
        health_check.main()
    result: dict[str, Any] = json.loads(out.getvalue())
    assert bool(caught.value.code) is bool(result.get("failed"))
    return result


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basic.AnsibleModule, "_log_to_syslog", lambda _self, text: None)
    monkeypatch.setattr(basic, "has_journal", False)


SPEC = {name: option for name, option in health_check.argument_spec().items() if not name.startswith("report_")}


@SETTINGS
@given(of_options(SPEC))
def test_options_of_any_shape_end_in_a_sentence(quiet: None, params: dict[str, Any]) -> None:
    result = ended(json.loads(json.dumps(params)))
    text = json.dumps(result)
    assert "Traceback" not in text and 'File "' not in text
    assert isinstance(result["msg"], str) and result["msg"]
    assert result["changed"] is False if "changed" in result else result["failed"]


check_options = SPEC["checks"]["options"]
# With these right, the others are judged too.
of_checks = of_options({name: option for name, option in check_options.items() if name not in ("type", "via", "url")})


@SETTINGS
@given(st.lists(of_checks, min_size=1, max_size=2))
def test_checks_of_any_shape_are_plans_or_mistakes(checks: list[dict[str, Any]]) -> None:
    for at, check in enumerate(checks):
        check |= {"name": f"check {at}", "url": "http://a.example/"}
    out = ended({"checks": json.loads(json.dumps(checks)), "variables": {"x": "1"}})
    assert "Traceback" not in json.dumps(out)
    if not out.get("failed"):
        assert [item["name"] for item in out["checks"]] == [check["name"] for check in checks]


@SETTINGS
@given(texts | st.text(alphabet="ab@[]{}()&|`'\".,*?!<>=0:", max_size=12) | st.integers(1, 3000).map(lambda n: "[" * n))
def test_any_text_is_a_jmespath_or_a_value_error(path: str) -> None:
    with contextlib.suppress(ValueError):
        compile_path(path)


paths = st.sampled_from(
    ["@", "a", "a.b", "a[0]", "[*].a", "length(@)", "sort(@)", "max(a)", "sort_by(@, &a)", "to_number(a)", "keys(@)",
     "a[?b > `1`]", "join(',', @)", "sum(a)", "avg(a)", "map(&a, @)", "merge(@, a)", "contains(a, `1`)", "abs(a)", "reverse(a)",
     "a | b", "a && b", "!a", "values(@)", "type(@)", "to_string(@)", "not_null(a)", "floor(a)"]
)  # fmt: skip
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "digest"]) | texts, inner, max_size=3)
    ),
    max_leaves=8,
)
bodies = json_values.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40)
patterns = st.lists(st.sampled_from(["", "^a", "b$", "[0-9]+", "\u2603", "(?i)NULL"]), max_size=2)
predicates = st.fixed_dictionaries(
    {"exists": st.booleans()},
    optional={
        "equals": json_values.filter(lambda value: value is not None),
        "in": st.lists(json_values, max_size=2),
        "less": st.floats(),
        "matches": st.sampled_from(["", "a", "^$"]),
        "length": st.integers(0, 9),
        "type": st.sampled_from(["null", "number", "object"]),
    },
)
expectations = st.fixed_dictionaries(
    {"json": st.lists(st.builds(lambda path, found: {"path": path, **found}, paths, predicates), max_size=3)},
    optional={
        "status": st.sampled_from([["2xx"], ["100-599"], ["404", "500-510"]]),
        "body_regex": patterns,
        "body_not_regex": patterns,
        "headers": st.just([{"name": "X-A", "exists": True, "matches": "a"}]),
        "location": st.sampled_from(["", "^/"]),
        "min_bytes": st.integers(),
        "max_bytes": st.integers(),
        "http_version": st.sampled_from(["1.0", "1.1"]),
        "identity": st.sampled_from(
            [{"equals": "a"}, {"equals": "1", "path": "a"}, {"equals": "b", "header": "digest"}]
        ),
    },
)


@SETTINGS
@given(expectations, bodies, paths, st.integers(100, 599), texts)
def test_any_answer_is_judged(expect: dict[str, Any], body: bytes, taken: str, status: int, header: str) -> None:
    params = {"name": "a", "url": "http://a/", "expect": expect, "extract": {"x": taken}}
    try:
        [check] = parse_checks([params], ["x1"], compile_path)
    except SpecError as error:
        assert any(words in str(error) for words in ("nothing is known as", "is no", "in depends_on"))
        reject()
    masker = Masker()
    response = Response(status, "1.1", [("x-a", header), ("digest", header)], body, "http://a/?q=1")
    verdict = judging.judge(check, response, {"x1": 1, "run_id": "0"}, masker)
    assert verdict.fault is None or verdict.fault.code in FAULTS
    shown = json.dumps([item.as_result(masker) for item in verdict.assertions if item.subject.startswith("body")])
    for value in verdict.extracted.values():
        if isinstance(value, str) and len(value) >= 8 and value.isalnum():
            assert value not in shown


@SETTINGS
@given(json_values, st.sampled_from(["json", "form", "raw"]))
def test_any_extracted_value_can_be_sent_or_is_refused(value: Any, form: str) -> None:
    variables = {"x": value}
    body = {"json": {"a": "${x}"}, "form": {"a": "${x}"}, "raw": "${x}"}[form]
    with contextlib.suppress(CheckError, UnicodeError):  # both become placeholder_invalid
        data, _kind = build_body(body, form, variables)
        encode_request(Request("POST", "http://a/", {"X-A": "b"}, data))
    with contextlib.suppress(CheckError):
        check_url(filled_url(value), ("http",))


def filled_url(value: Any) -> str:
    from ansible_collections.slipway.kube.plugins.module_utils._common.placeholders import fill_url

    return fill_url("http://a/${x}?q=${x}", {"x": value})
