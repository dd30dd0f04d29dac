#!/usr/bin/python

# Copyright: (c) 2026, Slipway contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: health_check
short_description: Check many endpoints in parallel until they are healthy
version_added: 0.1.0
author:
  - Slipway contributors (@slipway)
description:
  - Runs any number of checks in parallel and waits until they are healthy - HTTP, GraphQL, server-sent events, WebSockets, the Model
    Context Protocol, TCP, TLS, gRPC, PostgreSQL, Redis, DNS, and commands in pods.
  - Supports user journeys, in which a check extracts a value from its response for later checks (log in, use the token).
  - Can require consecutive successes, a latency, and that the deployed version responds.
  - Fails with at most fifteen lines that say what failed, the cause, the evidence and the remedy.
  - Secret values (O(secrets), extracted values, and values in headers, bodies, queries, expectations and O(variables) whose
    names suggest a secret) appear in no result, message or report.
  - See C(docs/health_check.md) in the collection for a guide.
requirements:
  - cryptography (for types that can use TLS)
  - h11 (for what goes over HTTP)
  - hpack (for O(checks[].type) V(grpc))
  - idna (for host names with letters outside ASCII)
  - brotli, zstandard (optional; with them, responses with these encodings are requested and decoded)
  - jmespath (for O(checks[].expect.json), O(checks[].extract) and O(checks[].expect.identity.path) only)
extends_documentation_fragment:
  - slipway.kube.attributes
  - slipway.kube.kubernetes
attributes:
  check_mode:
    support: full
    details: Validates the options; RV(checks[].asks) lists the requests that would be sent, and RV(healthy) is null.
  diff_mode:
    support: none
    details: Nothing is changed, so there is no difference to show.
  idempotent:
    support: partial
    details:
      - The module itself changes nothing and always returns C(changed=false); report files are overwritten each time.
      - A request that changes something on the server does so each time it is sent.
options:
  checks:
    description:
      - The checks, which run in parallel within the limits of O(checks[].depends_on).
      - The placeholder C(${name}) stands for a value of O(variables), O(secrets), an earlier check's
        O(checks[].extract), or for C(${run_id}), eight hexadecimal digits that differ in each run. It can be used
        in O(checks[].url) (percent-encoded there, except at its beginning), in the values of O(checks[].headers) and
        O(checks[].body), and in the values that O(checks[].expect) compares with. C($${) is a literal C(${).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Unique name of the check, for results and O(checks[].depends_on).
        type: str
        required: true
      type:
        description:
          - The type of the check.
          - V(http) sends an HTTP/1.1 request over a new connection.
          - V(tcp) is healthy if the connection is accepted, V(tls) if the handshake succeeds and the certificate is valid.
          - V(grpc) calls C(grpc.health.v1.Health/Check) and is healthy if the response is C(SERVING).
          - V(graphql) sends O(checks[].graphql) and is healthy if the response lists no errors.
          - V(sse) waits for server-sent events, V(websocket) opens a WebSocket, see O(checks[].sse) and O(checks[].websocket).
          - V(mcp) initializes a session of the Model Context Protocol, lists the tools, and calls O(checks[].mcp.tool).
          - V(postgres) and V(redis) are healthy if the server is ready for sessions; they do not log in.
          - V(dns) is healthy if this machine resolves the name.
          - V(command) runs O(checks[].command) in a pod.
          - An option that the type has no use for is refused.
        type: str
        choices: [http, graphql, sse, websocket, mcp, tcp, tls, grpc, postgres, redis, dns, command]
        default: http
      via:
        description:
          - The route to the endpoint.
          - V(port_forward) goes through the Kubernetes API to a ready pod, which is selected for each request.
          - V(api_proxy) requests the path of O(checks[].url) through the API server, for O(checks[].type=http) and
            O(checks[].type=graphql) only.
          - V(unix_socket) connects to O(checks[].unix_socket).
        type: str
        choices: [direct, port_forward, api_proxy, unix_socket]
        default: direct
      url:
        description:
          - The URL, such as V(https://todo.local/api/health), V(tcp://db:5432), V(tls://todo.local:443) or
            V(grpc://api:9000) (V(grpcs://) with TLS). Required for all types but V(command).
          - WebSockets use V(ws://) and V(wss://), databases V(postgres://db) and V(redis://cache) (V(rediss://) with TLS), names
            V(dns://todo.local).
          - Names under C(localhost) resolve to loopback without DNS.
        type: str
      resolve:
        description:
          - Maps hosts to the address to connect to, as V(address), V(address:port) or V([v6]:port).
          - The Host header, the server name in the TLS handshake and the certificate check still use O(checks[].url), so that
            an Ingress can be tested without DNS.
        type: dict
      unix_socket:
        description: Path of the socket for O(checks[].via=unix_socket).
        type: path
      proxy:
        description: An HTTP proxy as V(http://host:port), for O(checks[].via=direct), V(tls), and what goes over HTTP.
        type: str
      environment_proxy:
        description:
          - Whether to use the proxies of the environment (E(http_proxy), E(https_proxy), E(no_proxy)), for
            O(checks[].via=direct), V(tls), and what goes over HTTP.
          - They are never used for loopback and for hosts in O(checks[].resolve). E(no_proxy) lists names, with or without a
            port, which include their subdomains, or V(*).
        type: bool
        default: false
      kubernetes:
        description: The pod for V(port_forward), V(api_proxy) and V(command). Set one of pod, service and selector.
        type: dict
        suboptions:
          namespace:
            description: The namespace.
            type: str
            default: default
          pod:
            description: Name of a pod.
            type: str
          service:
            description: Name of a Service; a ready pod that it selects is used, and its port is translated to the pod's.
            type: str
          selector:
            description: A label selector, such as V(app.kubernetes.io/name=backend); a ready pod is used.
            type: str
          container:
            description: The container for O(checks[].type=command); by default the pod's default container.
            type: str
          port:
            description: Port of the Service or pod; by default that of O(checks[].url).
            type: int
          kubeconfig:
            description: Path of the kubeconfig; by default O(kubeconfig).
            type: path
          context:
            description: Context in the kubeconfig; by default O(context).
            type: str
      workload:
        description:
          - The workload that serves this check. If the check fails, the module inspects it once, and RV(checks[].diagnosis)
            describes its problem as M(slipway.kube.rollout_status) does.
          - Defaults to the Service of O(checks[].kubernetes.service), if set.
          - A quarter of O(deadline), at most 5 seconds, is reserved for the inspection.
        type: dict
        suboptions:
          kind:
            description: The kind; V(Service) means the workloads that it selects.
            type: str
            choices: [Deployment, StatefulSet, DaemonSet, Service]
            default: Deployment
          name:
            description: The name.
            type: str
            required: true
          namespace:
            description: The namespace; by default O(checks[].kubernetes.namespace).
            type: str
      command:
        description: The program and its arguments for O(checks[].type=command), visible in the pod's process list.
        type: list
        elements: str
      grpc_service:
        description: The gRPC service to check for O(checks[].type=grpc); by default the whole server.
        type: str
      method:
        description: The HTTP method; by default V(GET).
        type: str
      headers:
        description: Headers to send. Values whose names suggest a secret (such as C(Authorization)) are never shown.
        type: dict
      body:
        description: The body to send. A dictionary or list is encoded according to O(checks[].body_format).
        type: raw
      body_format:
        description:
          - V(json) encodes the body as JSON and sends a string unchanged, both as C(application/json).
          - V(form) encodes a dictionary as a form; V(raw) sends a string unchanged.
          - V(multipart) encodes a dictionary and O(checks[].files) as a form with files.
          - By default V(json).
        type: str
        choices: [json, form, multipart, raw]
      files:
        description: Files to upload, for O(checks[].body_format=multipart).
        type: list
        elements: dict
        suboptions:
          field:
            description: Name of the form's field.
            type: str
            required: true
          path:
            description: Path of the file on the machine that runs the task, at most 64 MiB. Either this or the content is required.
            type: path
          content:
            description: The content, in which placeholders are replaced.
            type: str
          filename:
            description: The file name to send; by default that of the path, or the field's name.
            type: str
          content_type:
            description: The media type; by default guessed from the file name.
            type: str
      graphql:
        description: The operation for O(checks[].type=graphql), sent as a POST.
        type: dict
        suboptions:
          query:
            description: The query or mutation. A mutation is not retried by default.
            type: str
            required: true
          variables:
            description: Its variables.
            type: dict
          operation:
            description: Name of the operation, if the query has several.
            type: str
      sse:
        description:
          - The events to wait for, for O(checks[].type=sse).
          - O(checks[].expect.json) looks into C(events), a list of dictionaries with C(event), C(data) and C(id).
        type: dict
        suboptions:
          event:
            description: Name of the events that count; by default all.
            type: str
          count:
            description: How many events to wait for.
            type: int
            default: 1
          within:
            description: Seconds from the response's headers until they must have arrived; by default limited by O(checks[].timeout) only.
            type: float
          silence:
            description: Seconds that the stream may be silent; comments end the silence, too.
            type: float
      websocket:
        description:
          - The conversation for O(checks[].type=websocket). By default, the connection is opened and closed.
          - O(checks[].expect.json) looks into C(subprotocol) and C(messages), a list.
        type: dict
        suboptions:
          subprotocols:
            description: Subprotocols to offer; the server must choose one of them.
            type: list
            elements: str
          send:
            description: A text message to send; dictionaries and lists are encoded as JSON.
            type: raw
          receive:
            description: How many messages to wait for; by default one if a message is sent, otherwise none.
            type: int
          close_code:
            description: The code with which the server must close the connection. Without it, the check closes.
            type: int
      mcp:
        description:
          - The session for O(checks[].type=mcp).
          - O(checks[].expect.json) looks into C(server) (name and version), C(protocol), C(tools) (names) and C(result).
        type: dict
        suboptions:
          transport:
            description: V(streamable_http), or V(sse) for the older transport with server-sent events.
            type: str
            choices: [streamable_http, sse]
            default: streamable_http
          tool:
            description: Name of a tool to call; it must be listed and must not return an error. Such a check is not retried by default.
            type: str
          arguments:
            description: The tool's arguments.
            type: dict
      postgres:
        description:
          - The session that O(checks[].type=postgres) asks for. It is not logged in to, so no password is needed.
          - With O(checks[].tls), the server must offer TLS with a valid certificate.
        type: dict
        suboptions:
          user:
            description: The user; by default C(slipway). A server that refuses the user is ready nevertheless.
            type: str
          database:
            description: The database; by default the user's name.
            type: str
      follow_redirects:
        description: How many redirects to follow. With V(0), the default, O(checks[].expect) applies to the redirect itself.
        type: int
      cookies:
        description:
          - Whether to send the cookies that the responses to O(checks[].depends_on) set, and those set by redirects, where RFC 6265
            allows it. By default V(true).
          - A header C(Cookie) in O(checks[].headers) replaces them. The values are never shown.
        type: bool
      max_body_bytes:
        description:
          - Maximum size in bytes (after decompression) of a body or a command's output, at most 1 GiB.
          - Larger ones are an error. By default 1 MiB.
        type: int
      tls:
        description: TLS settings.
        type: dict
        suboptions:
          verify:
            description: Whether to verify the certificate's signature, validity and name.
            type: bool
            default: true
          ca_path:
            description: PEM file or directory of trusted authorities, instead of the system's.
            type: path
          client_cert:
            description: PEM file with the client's certificate, and its key unless O(checks[].tls.client_key) is set.
            type: path
          client_key:
            description: PEM file with the client's key, unencrypted.
            type: path
          server_name:
            description: The server name for the handshake and the certificate, instead of the URL's host.
            type: str
          min_version:
            description: Minimum TLS version.
            type: str
            choices: [TLSv1.2, TLSv1.3]
            default: TLSv1.2
          min_days_left:
            description: Minimum number of days until the certificate expires; also checked with O(checks[].tls.verify=false).
            type: int
      depends_on:
        description: Names of checks that must be healthy first; otherwise this check is skipped.
        type: list
        elements: str
      always:
        description:
          - Whether this check also runs if a check that it depends on failed, to clean up what a journey has made.
          - If a value that it needs is then unknown, it is skipped.
        type: bool
        default: false
      extract:
        description:
          - Maps names of variables to a JMESPath into the JSON body, for later checks that depend on this one.
          - Instead of a path, a dictionary with one key names another source - C(header), C(cookie), C(regex) (its first group, in the
            body), C(input) (the value of a form's input with this name, such as a CSRF token, or the content of such a meta
            element), or C(json).
          - Extracted values are never shown.
        type: dict
      expect:
        description: What the response must look like.
        type: dict
        suboptions:
          status:
            description: Allowed status codes as numbers (V(204)), ranges (V(200-204)) and classes (V(2xx)); by default V(2xx).
            type: list
            elements: str
          json:
            description: Assertions on the JSON body; all predicates of all entries must be true.
            type: list
            elements: dict
            suboptions:
              path:
                description:
                  - A JMESPath into the body.
                  - If what the last part of the path is looked for in does not exist, or a function cannot take its value, no predicate
                    is true, V(exists=false) neither.
                type: str
                required: true
              equals:
                description:
                  - The value must equal this one, including its type; V(1) equals V(1.0) but neither V("1") nor V(true).
                type: raw
              not_equals:
                description: The value must exist and not equal this one.
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
                description: Whether the value must exist (and not be null).
                type: bool
              matches:
                description: A regular expression to search for in the value (in its JSON text if it is not a string).
                type: str
              length:
                description: Length of the string, array or object.
                type: int
              type:
                description: The JSON type; V(number) includes integers.
                type: str
                choices: [array, boolean, integer, 'null', number, object, string]
          body_regex:
            description:
              - Regular expressions that must match the body (or a command's output).
              - The body is decoded as browsers do - by a byte order mark, the charset in C(Content-Type), or the one in an HTML page.
            type: list
            elements: str
          body_not_regex:
            description: Regular expressions that must not match it.
            type: list
            elements: str
          headers:
            description: Assertions on the response headers; names are case-insensitive.
            type: list
            elements: dict
            suboptions:
              name:
                description: Name of the header.
                type: str
                required: true
              equals:
                description: The exact value.
                type: str
              not_equals:
                description: A value that the header, which must exist, must not have.
                type: str
              matches:
                description: A regular expression to search for in the value.
                type: str
              exists:
                description: Whether the header must exist.
                type: bool
          location:
            description: A regular expression to search for in the Location header of a redirect. Allow V(3xx) in the status.
            type: str
          min_bytes:
            description: Minimum size of the body.
            type: int
          max_bytes:
            description: Maximum size of the body.
            type: int
          http_version:
            description: The HTTP version of the response.
            type: str
            choices: ['1.0', '1.1']
          rc:
            description: Allowed exit codes for O(checks[].type=command); by default V(0).
            type: list
            elements: int
          identity:
            description:
              - What identifies the deployed version in the response; a successful response of an old pod is a failure.
              - Each request uses a new connection, so that responses can come from different pods.
            type: dict
            suboptions:
              path:
                description:
                  - A JMESPath into the JSON body.
                  - The default reads C(image_tag), or C(digest) if there is none. C(digest) is the deprecated name, and no longer read by
                    default in version 1.0.0.
                type: str
                default: image_tag || digest
              header:
                description: A header to read instead of the body.
                type: str
              equals:
                description: The value of the deployed version.
                type: str
                required: true
              consecutive:
                description: How many consecutive responses must contain it.
                type: int
                default: 5
      timeout:
        description:
          - Timeout for one complete request in seconds, from name resolution to the last byte of the body.
          - It does not include the wait for one of O(max_parallel) slots.
        type: float
        default: 10.0
      retry_for:
        description:
          - How many seconds to retry a failing check, counted from its first attempt.
          - V(0) means no retries.
          - The default is 30, but 0 for what can change something - HTTP methods other than V(GET), V(HEAD), V(OPTIONS) and V(TRACE),
            GraphQL mutations, calls of tools, and messages sent over a WebSocket.
        type: float
      interval:
        description: Seconds between two attempts.
        type: float
        default: 1.0
      backoff:
        description: The factor by which the interval grows after each consecutive failure, from 1 to 100.
        type: float
        default: 1.5
      max_interval:
        description: Maximum interval in seconds.
        type: float
        default: 10.0
      jitter:
        description: The fraction of the interval, from 0 to 1, by which it varies randomly after a failure.
        type: float
        default: 0.1
      consecutive_successes:
        description: How many consecutive successes are required.
        type: int
        default: 1
      stable_for:
        description: For how many seconds all attempts must succeed, counted from the end of the first successful one.
        type: float
        default: 0.0
      invert:
        description:
          - Whether the check is healthy if it fails, for example for a port that must be closed.
          - Only a failure of the other side counts. What fails here or on the way is still an error, such as a name that does not
            resolve, a proxy or the Kubernetes API that does not answer, an untrusted certificate, or a JMESPath that does not fit.
        type: bool
        default: false
      latency:
        description:
          - Measures the latency of complete requests once the check passes, and compares it with limits in milliseconds.
          - Samples are taken one after the other over new connections while other checks run, so use
            O(checks[].depends_on) or a small O(max_parallel) for undisturbed figures.
        type: dict
        suboptions:
          samples:
            description: How many requests to measure.
            type: int
            default: 20
          p50_ms:
            description: Limit for the median.
            type: float
          p90_ms:
            description: Limit for the 90th percentile (nearest rank).
            type: float
          p95_ms:
            description: Limit for the 95th percentile.
            type: float
          p99_ms:
            description: Limit for the 99th percentile.
            type: float
          max_ms:
            description: Limit for the slowest sample.
            type: float
          error_rate:
            description: The fraction of samples, from 0 to 1, that may fail.
            type: float
            default: 0.0
  variables:
    description:
      - Values for placeholders. Values whose names suggest a secret are treated like O(secrets).
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
    description: Deadline for the whole task in seconds, on the monotonic clock.
    type: float
    default: 120.0
  max_parallel:
    description:
      - How many requests may be in flight at once, from 1 to 512. They share one thread.
      - At most 16 of them use O(checks[].via=port_forward) or O(checks[].type=command).
    type: int
    default: 256
  fail_fast:
    description: Whether the first failed check stops all others.
    type: bool
    default: false
  report_json:
    description: File for the result as JSON.
    type: path
  report_junit:
    description: File for the result as JUnit XML.
    type: path
notes:
  - The library kubernetes is needed for O(checks[].type=command), O(checks[].via=port_forward), O(checks[].via=api_proxy)
    and O(checks[].workload) only.
  - Sensitive headers are not sent to another origin after a redirect.
  - C(HTTP/2) is used for gRPC only.
  - If a name has several addresses, the next one is tried in parallel after 0.25 seconds.
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
            equals: "{{ backend_tag }}"
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
  description: What failed, the cause, the evidence and the remedy, in at most fifteen lines.
  returned: always
  type: str
  sample: All 3 checks are healthy (0.4 s).
failed_checks:
  description: Names of the unhealthy checks.
  returned: always
  type: list
  elements: str
  sample: [log in]
elapsed:
  description: Duration of all checks together, in seconds.
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
  description: Number of checks in each state.
  returned: always
  type: dict
  sample: {"total": 3, "healthy": 3, "unhealthy": 0, "skipped": 0}
checks:
  description: One entry for each check, in the given order.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the check.
      returned: always
      type: str
      sample: log in
    type:
      description: Type of the check.
      returned: always
      type: str
      sample: http
    via:
      description: Route to the endpoint.
      returned: always
      type: str
      sample: direct
    state:
      description: V(healthy), V(unhealthy), or V(skipped) if it did not start or finish.
      returned: always
      type: str
      sample: healthy
    attempts:
      description: How many requests were started.
      returned: always
      type: int
      sample: 1
    asks:
      description: The request that would be sent.
      returned: in check mode
      type: str
      sample: GET http://todo.local/, expecting status 200-299
    depends_on:
      description: The checks that this one depends on.
      returned: in check mode
      type: list
      elements: str
      sample: [register]
    first_ok_at:
      description: UTC time of the first success; null if there was none.
      returned: when checks were run
      type: str
      sample: "2026-03-01T12:00:00.000+00:00"
    elapsed:
      description: Seconds from the first attempt to the end.
      returned: when checks were run
      type: float
      sample: 0.021
    status:
      description: Status of the last response.
      returned: when there was an HTTP answer
      type: int
      sample: 200
    certificate_days_left:
      description: Days until the certificate expires.
      returned: when TLS was spoken
      type: float
      sample: 61.5
    last_error:
      description: The last error, even if the check became healthy later; null if there was none.
      returned: when checks were run
      type: dict
      contains:
        code:
          description: The error code, such as V(connect_refused) or V(status_unexpected).
          returned: always
          type: str
          sample: connect_refused
        message:
          description: The cause and the evidence.
          returned: always
          type: str
          sample: Nothing is listening on this address and port. 127.0.0.1 port 8080.
        suggestion:
          description: What to do.
          returned: always
          type: str
          sample: Check that the service is running and that the port is published.
    timings:
      description: Duration of each phase of the last request, in milliseconds; phases that did not happen are omitted.
      returned: when checks were run
      type: dict
      sample: {"connect": 0.1, "first_byte": 2.3, "total": 2.9}
    percentiles:
      description:
        - Percentiles of complete requests in milliseconds; of the samples if O(checks[].latency) is set. A sample that timed out counts
          with the time until then.
      returned: when checks were run
      type: dict
      sample: {"p50": 2.9, "p90": 3.4, "p95": 3.5, "p99": 3.5, "max": 3.5}
    samples:
      description: Number of latency samples.
      returned: when latency was measured
      type: int
      sample: 20
    error_rate:
      description: Fraction of the samples that failed.
      returned: when latency was measured
      type: float
      sample: 0.0
    diagnosis:
      description:
        - The problem of the workload behind a failed check, in the form that M(slipway.kube.rollout_status) returns.
        - Null if the workload is healthy, was not inspected, or is not set.
      returned: when checks were run
      type: dict
      contains:
        code:
          description: The diagnosis code.
          returned: always
          type: str
          sample: config_missing
        cause:
          description: What is wrong, in one sentence.
          returned: always
          type: str
          sample: "Container backend lacks part of its configuration: secret todo-backend not found."
        suggestion:
          description: What to do.
          returned: always
          type: str
          sample: Add the key to application_secrets or to the chart's config, and deploy again.
        namespace:
          description: The namespace of the object.
          returned: always
          type: str
          sample: todo
        object:
          description: The object, as kind and name.
          returned: always
          type: str
          sample: Pod/backend-6d5f7c9b8-x2x7k
        container:
          description: The container; empty if the cause is not specific to one.
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
          description: The latest warning events of the object.
          returned: always
          type: list
          elements: str
          sample: ["Failed: Error: secret todo-backend not found"]
    assertions:
      description: Expected and observed values of the last response, shortened and redacted.
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


from ansible_collections.slipway.kube.plugins.module_utils._health.module import HealthModule, run_module
from ansible_collections.slipway.kube.plugins.module_utils._health.options import argument_spec


def main() -> None:
    """Run the module."""
    run_module(HealthModule(argument_spec=argument_spec(), supports_check_mode=True))


if __name__ == "__main__":
    main()
