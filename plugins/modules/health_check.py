#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_check
short_description: Ask many endpoints side by side until they are healthy
version_added: 0.1.0
author:
  - Slipway contributors (@slipway)
description:
  - Runs any number of HTTP, TCP, TLS, gRPC and in-pod command checks side by side and waits until they are healthy.
  - Follows user journeys, in which one check takes a value from its answer for later ones (log in, use the token).
  - Can demand good answers in a row, a latency, and that the deployed version is what answers.
  - Fails with at most fifteen lines that say what failed, why, on what evidence, and what to do.
  - Secret values (O(secrets), extracted values, and what stands under names that mean a secret in headers, bodies,
    queries, expectations and O(variables)) appear in no result, message or report.
  - The guide is C(docs/health_check.md) of the collection.
requirements:
  - cryptography (for O(checks[].type) V(http), V(tls) and V(grpc))
  - h11 (for O(checks[].type) V(http))
  - jmespath (for O(checks[].expect.json), O(checks[].extract) and O(checks[].expect.identity.path) only)
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.kubernetes
attributes:
  check_mode:
    support: full
    details: The options are validated, and RV(checks[].asks) says what would be asked. RV(healthy) is then null.
  diff_mode:
    support: none
    details: Nothing is changed, so there is no difference to show.
  idempotent:
    support: partial
    details:
      - The module itself changes nothing and always returns C(changed=false); report files are written anew each time.
      - A request that changes something on the server does so each time it is sent.
options:
  checks:
    description:
      - The checks, run side by side as far as O(checks[].depends_on) allows.
      - The placeholder C(${name}) stands for a value of O(variables), O(secrets), an earlier check's
        O(checks[].extract), or for C(${run_id}), eight hexadecimal digits that differ in each run. It can be used
        in O(checks[].url) (percent-encoded there, except at its beginning), in the values of O(checks[].headers) and
        O(checks[].body), and in the values that O(checks[].expect) compares with. C($${) is a literal C(${).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The check's name in results and in O(checks[].depends_on). Names must differ.
        type: str
        required: true
      type:
        description:
          - What is asked.
          - V(http) sends an HTTP/1.1 request over a connection of its own.
          - V(tcp) is healthy when the connection is accepted, V(tls) when the handshake and certificate are good.
          - V(grpc) calls C(grpc.health.v1.Health/Check) and is healthy when the answer is C(SERVING).
          - V(command) runs O(checks[].command) in a pod.
        type: str
        choices: [http, tcp, tls, grpc, command]
        default: http
      via:
        description:
          - The way to the other side.
          - V(port_forward) goes through the Kubernetes API to a ready pod, chosen anew for each request.
          - V(api_proxy) asks the path of O(checks[].url) through the API server, for O(checks[].type=http) only.
          - V(unix_socket) connects to O(checks[].unix_socket).
        type: str
        choices: [direct, port_forward, api_proxy, unix_socket]
        default: direct
      url:
        description:
          - The address, such as V(https://todo.local/api/health), V(tcp://db:5432), V(tls://todo.local:443) or
            V(grpc://api:9000) (V(grpcs://) with TLS). Required for all types but V(command).
          - Names below C(localhost) mean loopback without asking DNS.
        type: str
      resolve:
        description:
          - Maps hosts to the address to connect to, as V(address), V(address:port) or V([v6]:port).
          - The Host header, the name in the TLS handshake and the certificate's check stay those of O(checks[].url), so
            that an Ingress can be tested without DNS.
        type: dict
      unix_socket:
        description: The path of the socket for O(checks[].via=unix_socket).
        type: path
      proxy:
        description: An HTTP proxy as V(http://host:port), for O(checks[].via=direct) and types V(http) and V(tls).
        type: str
      environment_proxy:
        description:
          - Whether the proxies of the environment (E(http_proxy), E(https_proxy), E(no_proxy)) are used, for
            O(checks[].via=direct) and types V(http) and V(tls). Otherwise the environment is ignored.
          - They are never used for loopback and for hosts in O(checks[].resolve). E(no_proxy) lists names, which hold
            for all names below them too, with or without a port, or V(*).
        type: bool
        default: false
      kubernetes:
        description: The pod for V(port_forward), V(api_proxy) and V(command). Name one of pod, service and selector.
        type: dict
        suboptions:
          namespace:
            description: The namespace.
            type: str
            default: default
          pod:
            description: A pod's name.
            type: str
          service:
            description: A service's name; a ready pod that it selects is taken, its port is translated to the pod's.
            type: str
          selector:
            description: A label selector, such as V(app.kubernetes.io/name=backend); a ready pod is taken.
            type: str
          container:
            description: The container for O(checks[].type=command); the pod's default one if omitted.
            type: str
          port:
            description: The port of the service or pod; that of O(checks[].url) if omitted.
            type: int
          kubeconfig:
            description: The kubeconfig's path; O(kubeconfig) if omitted.
            type: path
          context:
            description: The kubeconfig's context; O(context) if omitted.
            type: str
      workload:
        description:
          - What serves this check. If the check fails, it is looked at once, and RV(checks[].diagnosis) says what is
            wrong with it, as M(slipway.kube.rollout_status) would.
          - If omitted, it is the Service of O(checks[].kubernetes.service), if that is given.
          - Up to a quarter of O(deadline), at most 5 seconds, is kept for looking.
        type: dict
        suboptions:
          kind:
            description: The kind; V(Service) stands for the workloads that it selects.
            type: str
            choices: [Deployment, StatefulSet, DaemonSet, Service]
            default: Deployment
          name:
            description: The name.
            type: str
            required: true
          namespace:
            description: The namespace; O(checks[].kubernetes.namespace) if omitted.
            type: str
      command:
        description: The program and its arguments for O(checks[].type=command), visible in the pod's process list.
        type: list
        elements: str
      grpc_service:
        description: The service to ask about for O(checks[].type=grpc); empty asks about the whole server.
        type: str
        default: ''
      method:
        description: The HTTP method.
        type: str
        default: GET
      headers:
        description: Headers to send. Values under names that mean a secret (such as C(Authorization)) are never shown.
        type: dict
      body:
        description: The body to send. A dictionary or list is encoded as O(checks[].body_format) says.
        type: raw
      body_format:
        description:
          - V(json) encodes the body as JSON and sends a text as it is, both as C(application/json).
          - V(form) encodes a dictionary as a form; V(raw) sends a text as it is.
        type: str
        choices: [json, form, raw]
        default: json
      follow_redirects:
        description: How many redirects to follow. With V(0), the redirect itself is judged.
        type: int
        default: 0
      max_body_bytes:
        description:
          - The most bytes (after decompression) that are read of a body or a command's output, at most 1 GiB.
          - Larger ones are a fault.
        type: int
        default: 1048576
      tls:
        description: How TLS is spoken.
        type: dict
        suboptions:
          verify:
            description: Whether the certificate's signature, validity and name are checked.
            type: bool
            default: true
          ca_path:
            description: A PEM file or directory of trusted authorities instead of the system's.
            type: path
          client_cert:
            description: A PEM file with the client's certificate, and its key unless that is in a file of its own.
            type: path
          client_key:
            description: A PEM file with the client's key, not encrypted.
            type: path
          server_name:
            description: The name to ask for and to find in the certificate, instead of the URL's host.
            type: str
          min_version:
            description: The least TLS version.
            type: str
            choices: [TLSv1.2, TLSv1.3]
            default: TLSv1.2
          min_days_left:
            description: The least days until the certificate ends; also judged when O(checks[].tls.verify=false).
            type: int
      depends_on:
        description: Names of checks that must be healthy first; otherwise this check is skipped.
        type: list
        elements: str
      extract:
        description:
          - Maps names of variables to a JMESPath into the JSON body, for later checks that depend on this one.
          - Extracted values are never shown.
        type: dict
      expect:
        description: What a good answer looks like.
        type: dict
        suboptions:
          status:
            description: Allowed statuses as numbers (V(204)), ranges (V(200-204)) and classes (V(2xx)).
            type: list
            elements: str
            default: ['2xx']
          json:
            description: Assertions on the JSON body; all predicates of all entries must hold.
            type: list
            elements: dict
            suboptions:
              path:
                description: A JMESPath into the body.
                type: str
                required: true
              equals:
                description:
                  - The value must equal this one in value and type; V(1) equals V(1.0) but neither V("1") nor V(true).
                type: raw
              not_equals:
                description: The value must not equal this one.
                type: raw
              less:
                description: The value must be a number less than this.
                type: float
              greater:
                description: The value must be a number greater than this.
                type: float
              in:
                description: The value must equal one of these.
                type: list
                elements: raw
              exists:
                description: Whether the value must be there (and not null).
                type: bool
              matches:
                description: A regular expression to find in the value (in its JSON text if it is no string).
                type: str
              length:
                description: The length of the string, array or object.
                type: int
              type:
                description: The JSON type; V(number) includes whole numbers.
                type: str
                choices: [array, boolean, integer, 'null', number, object, string]
          body_regex:
            description: Regular expressions to find in the body (or a command's output).
            type: list
            elements: str
          body_not_regex:
            description: Regular expressions that must not be found there.
            type: list
            elements: str
          headers:
            description: Assertions on the answer's headers, names compared without case.
            type: list
            elements: dict
            suboptions:
              name:
                description: The header's name.
                type: str
                required: true
              equals:
                description: The whole value.
                type: str
              not_equals:
                description: A value that it must not have.
                type: str
              matches:
                description: A regular expression to find in the value.
                type: str
              exists:
                description: Whether the header must be there.
                type: bool
          location:
            description: A regular expression to find in the redirect's Location header. Allow V(3xx) in the status.
            type: str
          min_bytes:
            description: The least size of the body.
            type: int
          max_bytes:
            description: The greatest size of the body.
            type: int
          http_version:
            description: The version that the server must answer with.
            type: str
            choices: ['1.0', '1.1']
          rc:
            description: Allowed exit codes for O(checks[].type=command).
            type: list
            elements: int
            default: [0]
          identity:
            description:
              - What the answer must carry to come from the deployed version; an old pod that answers well is a failure.
              - Each request goes over a connection of its own, so that several answers come from several pods.
            type: dict
            suboptions:
              path:
                description: A JMESPath into the JSON body.
                type: str
                default: digest
              header:
                description: A header to look into instead of the body.
                type: str
              equals:
                description: The value that was deployed.
                type: str
                required: true
              consecutive:
                description: How many answers in a row must carry it.
                type: int
                default: 5
      timeout:
        description:
          - The seconds that one whole request may take, from resolving the name to the body's last byte.
          - Waiting for one of O(max_parallel) places is not a part of it.
        type: float
        default: 10.0
      retry_for:
        description:
          - How many seconds a failing check is asked again, counted from its first attempt.
          - V(0) means that one failure ends it.
          - The default is 30 for everything but HTTP methods that change something, for which it is 0.
        type: float
      interval:
        description: The seconds between two attempts.
        type: float
        default: 1.0
      backoff:
        description: The factor by which the interval grows with each failure in a row, from 1 to 100.
        type: float
        default: 1.5
      max_interval:
        description: The greatest number of seconds that the interval grows to.
        type: float
        default: 10.0
      jitter:
        description: The share of the interval, from 0 to 1, by which it is spread at random after a failure.
        type: float
        default: 0.1
      consecutive_successes:
        description: How many good answers in a row are needed.
        type: int
        default: 1
      stable_for:
        description: For how many seconds all answers must be good.
        type: float
        default: 0.0
      invert:
        description:
          - Whether the check is healthy when it fails, such as for a port that must be closed.
          - Faults of this host or of the Kubernetes API stay faults.
        type: bool
        default: false
      latency:
        description:
          - Measures the time of whole requests once the check is good, and compares it with ceilings in milliseconds.
          - Samples are taken one after the other over new connections; other checks run meanwhile, so use
            O(checks[].depends_on) or a small O(max_parallel) for undisturbed figures.
        type: dict
        suboptions:
          samples:
            description: How many requests to measure.
            type: int
            default: 20
          p50_ms:
            description: The ceiling of the median.
            type: float
          p90_ms:
            description: The ceiling of the 90th percentile (nearest rank).
            type: float
          p95_ms:
            description: The ceiling of the 95th percentile.
            type: float
          p99_ms:
            description: The ceiling of the 99th percentile.
            type: float
          max_ms:
            description: The ceiling of the slowest sample.
            type: float
          error_rate:
            description: The share of samples, from 0 to 1, that may fail.
            type: float
            default: 0.0
  variables:
    description:
      - Values for placeholders. Those whose names mean a secret are treated like O(secrets).
      - Variables whose names begin with C(application.) or C(components.) describe the application, such as C(application.url) and
        C(components.backend.tag). They replace their placeholders in every string of a check, unchanged and before the check is
        validated, so a namespace or a pod can be a placeholder too. Of their names, only the last part can mean a secret.
      - If such a variable is null, its value is unknown. A check that uses it, or that uses what such a check extracts, is left out and
        listed in RV(left_out). Checks that only depend on it run without it.
    type: dict
    default: {}
  secrets:
    description: Values for placeholders that are never shown or logged.
    type: dict
    default: {}
  deadline:
    description: The seconds that the whole task may take, on the monotonic clock.
    type: float
    default: 120.0
  max_parallel:
    description:
      - How many requests may be under way at once, from 1 to 512. They share one thread.
      - Of O(checks[].via=port_forward) and O(checks[].type=command), at most 16 are.
    type: int
    default: 256
  fail_fast:
    description: Whether the first failed check ends the others.
    type: bool
    default: false
  report_json:
    description: A file to write the result to as JSON.
    type: path
  report_junit:
    description: A file to write the result to as JUnit XML.
    type: path
notes:
  - The library kubernetes is needed for O(checks[].type=command), O(checks[].via=port_forward), O(checks[].via=api_proxy)
    and O(checks[].workload) only.
  - Sensitive headers are not sent on when a redirect leads to another origin.
  - C(HTTP/2) is spoken for gRPC only.
  - When a name has several addresses, the next one is tried beside the one before after 0.25 seconds.
seealso:
  - module: slipway.kube.rollout_status
  - module: ansible.builtin.uri
  - module: ansible.builtin.wait_for
"""

EXAMPLES = r"""
- name: Wait for a site behind an Ingress without DNS
  slipway.kube.health_check:
    checks:
      - name: front page
        url: http://todo.local/
        resolve:
          todo.local: 127.0.0.1:8080
        expect:
          body_regex: ['<html']

- name: Register, log in and create a task
  slipway.kube.health_check:
    variables:
      base: http://todo.localhost:8080/api
    secrets:
      password: "{{ todo_test_password }}"
    checks:
      - name: register
        url: ${base}/auth/register
        method: POST
        body:
          email: probe-${run_id}@example.com
          password: ${password}
        expect:
          status: [201]
      - name: log in
        url: ${base}/auth/login
        method: POST
        body:
          email: probe-${run_id}@example.com
          password: ${password}
        depends_on: [register]
        extract:
          token: access_token
      - name: create a task
        url: ${base}/tasks
        method: POST
        headers:
          Authorization: Bearer ${token}
        body:
          title: Buy milk
        depends_on: [log in]
        expect:
          status: [201]
          json:
            - path: title
              equals: Buy milk
            - path: completed
              equals: false

- name: Demand the deployed version, ten good seconds and a fast answer
  slipway.kube.health_check:
    deadline: 180
    report_junit: /tmp/health.xml
    checks:
      - name: backend
        url: http://todo.localhost:8080/api/health
        stable_for: 10
        expect:
          identity:
            path: digest
            equals: "{{ backend_digest }}"
        latency:
          samples: 50
          p95_ms: 500

- name: Say what is wrong with the workload when its check fails
  slipway.kube.health_check:
    context: slipway
    checks:
      - name: backend
        url: http://todo.localhost:8080/api/ready
        workload:
          kind: Deployment
          name: backend
          namespace: todo

- name: Check a certificate, a closed port and the database's own tool
  slipway.kube.health_check:
    checks:
      - name: certificate
        type: tls
        url: tls://todo.example.com:443
        tls:
          min_version: TLSv1.3
          min_days_left: 14
      - name: the database is not published
        type: tcp
        url: tcp://todo.example.com:5432
        timeout: 3
        invert: true
      - name: the database accepts connections
        type: command
        command: [pg_isready, -U, todo]
        kubernetes:
          namespace: todo
          selector: app.kubernetes.io/name=postgresql
"""

RETURN = r"""
healthy:
  description: Whether all checks are healthy; null in check mode.
  returned: always
  type: bool
  sample: true
msg:
  description: What failed, why, on what evidence and what to do, in at most fifteen lines.
  returned: always
  type: str
  sample: All 3 checks are healthy (0.4 s).
failed_checks:
  description: The names of the unhealthy checks.
  returned: always
  type: list
  elements: str
  sample: [log in]
elapsed:
  description: The seconds that all checks took together.
  returned: when checks were run
  type: float
  sample: 0.41
left_out:
  description: The names of the checks that were left out because a variable that they use is null.
  returned: always
  type: list
  elements: str
  sample: []
summary:
  description: How many checks there are in each state.
  returned: always
  type: dict
  sample: {"total": 3, "healthy": 3, "unhealthy": 0, "skipped": 0}
checks:
  description: One entry per check in the given order.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: The check's name.
      returned: always
      type: str
      sample: log in
    type:
      description: The check's type.
      returned: always
      type: str
      sample: http
    via:
      description: The way to the other side.
      returned: always
      type: str
      sample: direct
    state:
      description: V(healthy), V(unhealthy), or V(skipped) when it was not asked or not finished.
      returned: always
      type: str
      sample: healthy
    attempts:
      description: How many requests were begun.
      returned: always
      type: int
      sample: 1
    asks:
      description: What would be asked.
      returned: in check mode
      type: str
      sample: GET http://todo.local/, expecting status 200-299
    depends_on:
      description: The checks that come before this one.
      returned: in check mode
      type: list
      elements: str
      sample: [register]
    first_ok_at:
      description: The UTC time of the first good answer; null if there was none.
      returned: when checks were run
      type: str
      sample: "2026-03-01T12:00:00.000+00:00"
    elapsed:
      description: The seconds from the first attempt to the end.
      returned: when checks were run
      type: float
      sample: 0.021
    status:
      description: The status of the last answer.
      returned: when there was an HTTP answer
      type: int
      sample: 200
    certificate_days_left:
      description: The days until the certificate ends.
      returned: when TLS was spoken
      type: float
      sample: 61.5
    last_error:
      description: The last fault, also when the check became healthy later; null if there was none.
      returned: when checks were run
      type: dict
      contains:
        code:
          description: The fault's code from a closed list, such as V(connect_refused) or V(status_unexpected).
          returned: always
          type: str
          sample: connect_refused
        message:
          description: The cause and the evidence.
          returned: always
          type: str
          sample: Nothing listens on that address and port. 127.0.0.1 port 8080.
        suggestion:
          description: What to do.
          returned: always
          type: str
          sample: Check that the service runs and that the port is the published one.
    timings:
      description: The milliseconds of the last request by phase; phases that did not happen are left out.
      returned: when checks were run
      type: dict
      sample: {"connect": 0.1, "first_byte": 2.3, "total": 2.9}
    percentiles:
      description: Percentiles of the whole requests in milliseconds; of the samples if O(checks[].latency) is used.
      returned: when checks were run
      type: dict
      sample: {"p50": 2.9, "p90": 3.4, "p95": 3.5, "p99": 3.5, "max": 3.5}
    samples:
      description: How many latency samples were taken.
      returned: when latency was measured
      type: int
      sample: 20
    error_rate:
      description: The share of the samples that failed.
      returned: when latency was measured
      type: float
      sample: 0.0
    diagnosis:
      description:
        - What is wrong with the workload behind a failed check, in the shape that M(slipway.kube.rollout_status) returns.
        - Null when the workload is well, was not looked at, or is not named.
      returned: when checks were run
      type: dict
      contains:
        code:
          description: The kind of fault, one of a closed list.
          returned: always
          type: str
          sample: config_missing
        cause:
          description: What is wrong, in one sentence.
          returned: always
          type: str
          sample: "Container backend misses a part of its configuration: secret todo-backend not found."
        suggestion:
          description: What to do.
          returned: always
          type: str
          sample: Add the key to application_secrets or to the chart's config, and deploy again.
        namespace:
          description: Where it is.
          returned: always
          type: str
          sample: todo
        object:
          description: What it is, as kind and name.
          returned: always
          type: str
          sample: Pod/backend-6d5f7c9b8-x2x7k
        container:
          description: The container, empty when it is not about one.
          returned: always
          type: str
          sample: backend
        log:
          description: The last log lines of the container.
          returned: always
          type: list
          elements: str
          sample: []
        events:
          description: The last warnings about the object.
          returned: always
          type: list
          elements: str
          sample: ["Failed: Error: secret todo-backend not found"]
    assertions:
      description: What was expected of the last answer and what was observed, shortened and masked.
      returned: when checks were run
      type: list
      elements: dict
      sample:
        - subject: status
          predicate: in
          expected: 200-299
          observed: "200"
          passed: true
"""

from typing import Any

from ansible_collections.slipway.kube.plugins.module_utils._health.module import HealthModule, run_module


def argument_spec() -> dict[str, Any]:
    """Return the options as documented above."""
    kubernetes = {
        "namespace": {"type": "str", "default": "default"},
        "pod": {"type": "str"},
        "service": {"type": "str"},
        "selector": {"type": "str"},
        "container": {"type": "str"},
        "port": {"type": "int"},
        "kubeconfig": {"type": "path"},
        "context": {"type": "str"},
    }
    workload = {
        "kind": {
            "type": "str",
            "choices": ["Deployment", "StatefulSet", "DaemonSet", "Service"],
            "default": "Deployment",
        },
        "name": {"type": "str", "required": True},
        "namespace": {"type": "str"},
    }
    tls = {
        "verify": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path", "no_log": False},
        "server_name": {"type": "str"},
        "min_version": {"type": "str", "choices": ["TLSv1.2", "TLSv1.3"], "default": "TLSv1.2"},
        "min_days_left": {"type": "int"},
    }
    json_types = ["array", "boolean", "integer", "null", "number", "object", "string"]
    json_assertion = {
        "path": {"type": "str", "required": True},
        "equals": {"type": "raw"},
        "not_equals": {"type": "raw"},
        "less": {"type": "float"},
        "greater": {"type": "float"},
        "in": {"type": "list", "elements": "raw"},
        "exists": {"type": "bool"},
        "matches": {"type": "str"},
        "length": {"type": "int"},
        "type": {"type": "str", "choices": json_types},
    }
    header_assertion = {
        "name": {"type": "str", "required": True},
        "equals": {"type": "str"},
        "not_equals": {"type": "str"},
        "matches": {"type": "str"},
        "exists": {"type": "bool"},
    }
    identity = {
        "path": {"type": "str", "default": "digest"},
        "header": {"type": "str"},
        "equals": {"type": "str", "required": True},
        "consecutive": {"type": "int", "default": 5},
    }
    expect = {
        "status": {"type": "list", "elements": "str", "default": ["2xx"]},
        "json": {"type": "list", "elements": "dict", "options": json_assertion},
        "body_regex": {"type": "list", "elements": "str"},
        "body_not_regex": {"type": "list", "elements": "str"},
        "headers": {"type": "list", "elements": "dict", "options": header_assertion},
        "location": {"type": "str"},
        "min_bytes": {"type": "int"},
        "max_bytes": {"type": "int"},
        "http_version": {"type": "str", "choices": ["1.0", "1.1"]},
        "rc": {"type": "list", "elements": "int", "default": [0]},
        "identity": {"type": "dict", "options": identity},
    }
    latency = {
        "samples": {"type": "int", "default": 20},
        "p50_ms": {"type": "float"},
        "p90_ms": {"type": "float"},
        "p95_ms": {"type": "float"},
        "p99_ms": {"type": "float"},
        "max_ms": {"type": "float"},
        "error_rate": {"type": "float", "default": 0.0},
    }
    check = {
        "name": {"type": "str", "required": True},
        "type": {"type": "str", "choices": ["http", "tcp", "tls", "grpc", "command"], "default": "http"},
        "via": {
            "type": "str",
            "choices": ["direct", "port_forward", "api_proxy", "unix_socket"],
            "default": "direct",
        },
        "url": {"type": "str"},
        "resolve": {"type": "dict"},
        "unix_socket": {"type": "path"},
        "proxy": {"type": "str"},
        "environment_proxy": {"type": "bool", "default": False},
        "kubernetes": {"type": "dict", "options": kubernetes},
        "workload": {"type": "dict", "options": workload},
        "command": {"type": "list", "elements": "str"},
        "grpc_service": {"type": "str", "default": ""},
        "method": {"type": "str", "default": "GET"},
        "headers": {"type": "dict"},
        "body": {"type": "raw"},
        "body_format": {"type": "str", "choices": ["json", "form", "raw"], "default": "json"},
        "follow_redirects": {"type": "int", "default": 0},
        "max_body_bytes": {"type": "int", "default": 1048576},
        "tls": {"type": "dict", "options": tls},
        "depends_on": {"type": "list", "elements": "str"},
        "extract": {"type": "dict"},
        "expect": {"type": "dict", "options": expect},
        "timeout": {"type": "float", "default": 10.0},
        "retry_for": {"type": "float"},
        "interval": {"type": "float", "default": 1.0},
        "backoff": {"type": "float", "default": 1.5},
        "max_interval": {"type": "float", "default": 10.0},
        "jitter": {"type": "float", "default": 0.1},
        "consecutive_successes": {"type": "int", "default": 1},
        "stable_for": {"type": "float", "default": 0.0},
        "invert": {"type": "bool", "default": False},
        "latency": {"type": "dict", "options": latency},
    }
    return {
        # As in _kube_module, whose import would load the kubernetes library for checks that need none of it.
        "kubeconfig": {"type": "path"},
        "context": {"type": "str"},
        "checks": {"type": "list", "elements": "dict", "required": True, "options": check},
        "variables": {"type": "dict", "default": {}},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
        "deadline": {"type": "float", "default": 120.0},
        "max_parallel": {"type": "int", "default": 256},
        "fail_fast": {"type": "bool", "default": False},
        "report_json": {"type": "path"},
        "report_junit": {"type": "path"},
    }


def main() -> None:
    """Run the module."""
    run_module(HealthModule(argument_spec=argument_spec(), supports_check_mode=True))


if __name__ == "__main__":
    main()
