# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the module's options to its result: the body of health_check. Private to the collection."""

from __future__ import annotations

import importlib.util
import secrets
import time
import traceback
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible_collections.slipway.kube.plugins.module_utils._health_errors import SpecError
from ansible_collections.slipway.kube.plugins.module_utils._health_mask import Masker, sensitive_values
from ansible_collections.slipway.kube.plugins.module_utils._health_report import (
    as_json,
    as_junit,
    check_sink,
    message,
    summarize,
    write,
)
from ansible_collections.slipway.kube.plugins.module_utils._health_run import MAX_PARALLEL, Runner
from ansible_collections.slipway.kube.plugins.module_utils._health_spec import (
    Check,
    Search,
    needs_jmespath,
    parse_checks,
    unknown_keys,
)

try:
    import jmespath
except ImportError:
    HAS_JMESPATH = False
    JMESPATH_ERROR: str | None = traceback.format_exc()
else:
    HAS_JMESPATH = True
    JMESPATH_ERROR = None


def secrets_in(checks: Any) -> set[str]:
    """Find the secret values that are written into the checks themselves (headers, bodies, proxies)."""
    found: set[str] = set()
    for check in checks if isinstance(checks, list) else ():
        if not isinstance(check, Mapping):
            continue
        headers, proxy = check.get("headers"), check.get("proxy")
        found |= sensitive_values(headers if isinstance(headers, Mapping) else None, check.get("body"))
        for address in (proxy, check.get("url")):
            found |= _secrets_in_url(address) if isinstance(address, str) else set()
    return found


def _secrets_in_url(address: str) -> set[str]:
    """Find the password of an address and the values of query fields whose names mean a secret."""
    try:
        parts = urlsplit(address)
        fields = sensitive_values(None, dict(parse_qsl(parts.query)))
        return fields | ({parts.password} if parts.password else set())
    except ValueError:
        return set()  # refused later, with its check's name


class HealthModule(AnsibleModule):  # type: ignore[misc]  # Ansible has no types
    """The module class with two additions that have to come before Ansible's own checks and log line."""

    unknown: Sequence[str] = ()

    def _load_params(self) -> None:
        super()._load_params()
        # Removed here and reported by run_module, when it is known what must not be logged.
        self.unknown = unknown_keys(self.argument_spec, self.params)

    def _log_invocation(self) -> None:
        # Headers and bodies cannot be no_log as a whole: Ansible would then mask each of their words everywhere.
        self.no_log_values.update(secrets_in(self.params.get("checks")))
        super()._log_invocation()


def compile_path(path: str) -> Search:
    """Compile a JMESPath to its search function; ValueError for a wrong one."""
    if not path:
        raise ValueError("it is empty")
    search: Search = jmespath.compile(path).search
    return search


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


def _options(module: HealthModule, known: Mapping[str, Any]) -> list[Check]:
    """Validate everything that can be wrong before anything is sent, or raise SpecError."""
    params = module.params
    if module.unknown:
        raise SpecError(module.unknown[0])
    twice = sorted(set(params["variables"] or {}) & set(params["secrets"] or {}))
    if twice:
        raise SpecError(f"secrets: {twice[0]!r} is in variables as well; name it once.")
    if not 0 < params["deadline"] < float("inf"):
        raise SpecError("deadline: it must be more than 0 seconds.")
    if not 1 <= params["max_parallel"] <= MAX_PARALLEL:
        raise SpecError(f"max_parallel: it lies between 1 and {MAX_PARALLEL}.")
    for key in ("report_json", "report_junit"):
        check_sink(key, params[key])
    return parse_checks(params["checks"], list(known), compile_path)


def run_module(module: HealthModule) -> None:
    """Check the options, run the checks, and leave the module with the result."""
    params = module.params
    if needs_jmespath(params["checks"]) and not HAS_JMESPATH:
        module.fail_json(msg=missing_required_lib("jmespath"), exception=JMESPATH_ERROR)
    known = {**(params["variables"] or {}), **(params["secrets"] or {})}
    masker = Masker([*(params["secrets"] or {}).values(), *secrets_in(params["checks"])])
    try:
        checks = _options(module, known)
    except SpecError as error:
        _fail(module, masker(str(error)))
        return
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
            changed=False, healthy=None, checks=planned, summary=summarize(planned), failed_checks=[],
            msg=f"Would run {len(planned)} check{'' if len(planned) == 1 else 's'}.",
        )  # fmt: skip
        return
    began = time.monotonic()
    records = runner.run()
    _leave(module, [record.as_result(masker) for record in records], masker, time.monotonic() - began)


def _leave(module: HealthModule, found: list[dict[str, Any]], masker: Masker, elapsed: float) -> None:
    """Write the reports and end the module, as failed when any check is not healthy."""
    results: list[dict[str, Any]] = masker.tree(found)
    result: dict[str, Any] = {
        "changed": False,
        "healthy": all(item["state"] == "healthy" for item in results),
        "checks": results,
        "summary": summarize(results),
        "failed_checks": [item["name"] for item in results if item["state"] == "unhealthy"],
        "elapsed": round(elapsed, 3),
        "msg": message(results, elapsed),
    }
    for key, render in (("report_json", as_json(result)), ("report_junit", as_junit(results, elapsed))):
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
