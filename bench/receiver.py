"""The webhook endpoint of the measurement: notes when each delivery came, answers at once, verifies nothing by itself.

``python -m bench.receiver FILE`` prints its port and appends one JSON line per delivery with all that verifying it later needs:
the signature is checked after the clock has stopped, so that the receiver's work is not taken for the sender's.
"""

import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Server(ThreadingHTTPServer):
    """A server that sends small answers without delay."""

    daemon_threads = True
    request_queue_size = 64

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept a connection."""
        connection, address = super().get_request()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address


def main(file: str) -> int:
    """Serve until told to end."""
    lock = threading.Lock()
    with Path(file).open("a", buffering=1) as log:

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"])).decode()
                came = time.time()
                headers = {name.lower(): value for name, value in self.headers.items() if name.lower().startswith("webhook-")}
                line = json.dumps({"came": came, "headers": headers, "body": content})
                with lock:
                    log.write(line + "\n")
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with Server(("127.0.0.1", 0), Handler) as server:
            print(server.server_address[1], flush=True)
            server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
