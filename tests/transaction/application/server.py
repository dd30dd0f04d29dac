"""A web component that says which version it is, and can be broken on purpose by the environment variable BROKEN."""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BROKEN = os.environ.get("BROKEN", "")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        ready = not (self.path == "/ready" and BROKEN == "probe")
        # What only a check of the answer finds: whoever asks is served.
        good = BROKEN != "verify"
        body = json.dumps(
            {"good": good, "image_tag": os.environ["APP_IMAGE_TAG"], "pod": os.environ["HOSTNAME"]}
        ).encode()
        self.send_response(200 if ready else 500)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words):
        pass


class Server(ThreadingHTTPServer):
    # With the usual five, a busy machine drops connections that a second later would have been answered.
    request_queue_size = 256


server = Server(("", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
