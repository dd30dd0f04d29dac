# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the module's options to its result: the body of health_check. Private to the collection."""

from __future__ import annotations

import copy
import importlib.util
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.slipway.kube.plugins.module_utils._common.masker import Masker
from ansible_collections.slipway.kube.plugins.module_utils._common.redaction import secrets_in_address, sensitive_values
from ansible_collections.slipway.kube.plugins.module_utils._common.requires import require
from ansible_collections.slipway.kube.plugins.module_utils._health.checks import (
    DETAILS,
    KEYS,
    LONGEST,
    Check,
    needs_jmespath,
    parse_checks,
    unknown_keys,
    written_nulls,
)
from ansible_collections.slipway.kube.plugins.module_utils._health.options import (
    HAS_JMESPATH,
    JMESPATH_ERROR,
    compile_path,
)
from ansible_collections.slipway.kube.plugins.module_utils._health.report import (
    as_json,
    as_junit,
    check_sink,
    left_out_words,
    message,
    summarize,
    write,
)
from ansible_collections.slipway.kube.plugins.module_utils._health.runner import MAX_PARALLEL, Runner
from ansible_collections.slipway.kube.plugins.module_utils._health.variables import application_variables, place
from ansible_collections.slipway.kube.plugins.module_utils._http.faults import SpecError


def secrets_in(params: Mapping[str, Any]) -> set[str]:
    """Find the secret values that stand in the options under names that mean a secret, whatever shape they have."""
    found = sensitive_values(_own_variables(params.get("variables")), None)
    checks = params.get("checks")
    for check in checks if isinstance(checks, list) else ():
        if not isinstance(check, Mapping):
            continue
        found |= sensitive_values(_mapping(check.get("headers")), _fields(check.get("body")))
        for kind in DETAILS:
            detail = _mapping(check.get(kind)) or {}
            found |= sensitive_values(None, {**detail, "send": _fields(detail.get("send"))})
        for address in (check.get("proxy"), check.get("url")):
            found |= secrets_in_address(address) if isinstance(address, str) else set()
        expect = _mapping(check.get("expect")) or {}
        for key, label in (("json", "path"), ("headers", "name")):
            items = expect.get(key)
            for item in items if isinstance(items, list) else ():
                if isinstance(item, Mapping):
                    wanted = [item.get("equals"), item.get("not_equals"), item.get("in")]
                    found |= sensitive_values(None, {str(item.get(label)): wanted})
    return found


def _own_variables(variables: Any) -> dict[str, Any]:
    """Return the variables that do not say what the application is: among these alone are secrets."""
    given = _mapping(variables) or {}
    application = application_variables(given)
    return {name: value for name, value in given.items() if name not in application}


def _mapping(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None


def _fields(body: Any) -> Any:
    """Return the fields of a body that is written as text: JSON or a form."""
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return dict(parse_qsl(body))


class HealthModule(AnsibleModule):  # type: ignore[misc]  # Ansible has no types
    """The module class with additions that have to come before Ansible's own checks and log line."""

    unknown: Sequence[str] = ()
    nulls: Sequence[str] = ()
    _valid = False
    _given: Any = None

    def _load_params(self) -> None:
        super()._load_params()
        # Removed here and reported by run_module, when it is known what must not be logged.
        self.unknown = unknown_keys(self.argument_spec, self.params)
        self._given = copy.deepcopy(self.params.get("checks"))
        for check in self._given if isinstance(self._given, list) else ():
            if isinstance(check, dict):
                self.nulls = [
                    *self.nulls,
                    *(f"check {str(check.get('name'))!r}: {key}: {why}" for key, why in written_nulls(check)),
                ]

    def fail_json(self, msg: str, **results: Any) -> NoReturn:
        """Fail; a value of a wrong type, which Ansible refuses by itself, is said with its check."""
        if not self._valid:
            msg = self._placed(msg)
        super().fail_json(msg, **results)
        raise AssertionError("fail_json does not return")

    def _placed(self, msg: str) -> str:
        if self.unknown:
            return self.unknown[0]
        checks = self._given
        validator = ArgumentSpecValidator(self.argument_spec["checks"]["options"])
        for index, check in enumerate(checks if isinstance(checks, list) else ()):
            errors = validator.validate(check).error_messages if isinstance(check, dict) else []
            if errors:
                return f"check {str(check.get('name') or index)!r}: {errors[0]}"
        return msg

    def _log_invocation(self) -> None:
        # Headers and bodies cannot be no_log as a whole: Ansible would then mask each of their words everywhere.
        self.no_log_values.update(secrets_in(self.params))
        super()._log_invocation()
        self._valid = True  # Ansible logs once it has accepted the options


def _planned(check: Check) -> dict[str, Any]:
    return {
        "name": check.name,
        "type": check.type,
        "via": check.via,
        "state": "skipped",
        "attempts": 0,
        "asks": check.summary(),
        "depends_on": list(check.depends_on),
    }


def _fail(module: HealthModule, text: str) -> None:
    module.fail_json(msg=text, changed=False)


def _options(module: HealthModule, given: Sequence[Mapping[str, Any]], known: Sequence[str]) -> list[Check]:
    """Validate everything that can be wrong before anything is sent, or raise SpecError."""
    params = module.params
    if module.unknown:
        raise SpecError(module.unknown[0])
    if module.nulls:
        raise SpecError(module.nulls[0])
    twice = sorted(set(params["variables"] or {}) & set(params["secrets"] or {}))
    if twice:
        raise SpecError(f"secrets: {twice[0]!r} is also in variables; set it in one of them.")
    if not 0 < params["deadline"] <= LONGEST:
        raise SpecError(f"deadline: it must be more than 0 and at most {LONGEST:g} seconds.")
    if not 1 <= params["max_parallel"] <= MAX_PARALLEL:
        raise SpecError(f"max_parallel: it must be between 1 and {MAX_PARALLEL}.")
    for key in ("report_json", "report_junit"):
        check_sink(key, params[key])
    cluster = {key: params[key] for key in ("kubeconfig", "context")}
    if params["checks"] and not given:
        return []  # all are left out
    return parse_checks(given, known, compile_path, cluster)


def run_module(module: HealthModule) -> None:
    """Check the options, run the checks, and leave the module with the result."""
    params = module.params
    if needs_jmespath(params["checks"]) and not HAS_JMESPATH:
        module.fail_json(msg=missing_required_lib("jmespath"), exception=JMESPATH_ERROR)
    application = application_variables(params["variables"] or {})
    known = {**_own_variables(params["variables"]), **(params["secrets"] or {})}
    given, left_out = place(params["checks"], application)
    masker = Masker([*(params["secrets"] or {}).values(), *secrets_in({**params, "checks": given})])
    try:
        checks = _options(module, given, [*known, *application])
    except SpecError as error:
        _fail(module, masker(str(error)))
        return
    kinds = {check.type for check in checks}
    if any("tls" in KEYS[kind] for kind in kinds):  # a plain address may redirect to https
        require(module, "cryptography")
    if any("headers" in KEYS[kind] for kind in kinds):
        require(module, "h11")
    if "grpc" in kinds:
        require(module, "hpack")
    if not all(check.url.isascii() for check in checks):
        require(module, "idna")
    through_api = [check for check in checks if check.type == "command" or check.via in ("port_forward", "api_proxy")]
    if through_api and importlib.util.find_spec("kubernetes") is None:
        text = missing_required_lib("kubernetes", reason=f"for check {through_api[0].name!r}")
        _fail(module, text)
        return
    runner = Runner(
        checks,
        {**known, "run_id": secrets.token_hex(4)},
        masker,
        deadline=params["deadline"],
        max_parallel=params["max_parallel"],
        fail_fast=params["fail_fast"],
    )
    try:
        runner.prepare()
    except SpecError as error:
        _fail(module, masker(str(error)))
        return
    if module.check_mode:
        planned = masker.tree([_planned(check) for check in checks])
        module.exit_json(
            changed=False, healthy=None, checks=planned, summary=summarize(planned), failed_checks=[], left_out=left_out,
            msg=f"Would run {len(planned)} check{'' if len(planned) == 1 else 's'}.{left_out_words(left_out)}",
        )  # fmt: skip
        return
    began = time.monotonic()
    records = runner.run() if checks else []
    found = [record.as_result(masker) for record in records]
    _leave(module, found, left_out, masker, time.monotonic() - began)


def _leave(
    module: HealthModule, found: list[dict[str, Any]], left_out: list[str], masker: Masker, elapsed: float
) -> None:
    """Write the reports and end the module, as failed when any check is not healthy."""
    results: list[dict[str, Any]] = masker.tree(found)
    result: dict[str, Any] = {
        "changed": False,
        "healthy": all(item["state"] == "healthy" for item in results),
        "checks": results,
        "summary": summarize(results),
        "failed_checks": [item["name"] for item in results if item["state"] == "unhealthy"],
        "left_out": left_out,
        "elapsed": round(elapsed, 3),
        "msg": message(results, elapsed, left_out),
    }
    for key, render in (("report_json", as_json(result)), ("report_junit", as_junit(result, elapsed))):
        path = module.params[key]
        if not path:
            continue
        try:
            write(path, render)
        except OSError as error:
            module.warn(f"{key}: {path} could not be written: {error.strerror or error}.")
    if result["healthy"]:
        module.exit_json(**result)
    else:
        module.fail_json(**result)
