"""A validation server that remembers nothing: it says OK to whatever is asked properly, as often as it is asked."""

import base64
import hashlib
import hmac
import http.server
import re
import sys
import urllib.parse

port, key, said = int(sys.argv[1]), base64.b64decode(sys.argv[2]), sys.argv[3]


def sign(fields):
    text = "&".join(f"{name}={value}" for name, value in sorted(fields.items()))
    return base64.b64encode(hmac.new(key, text.encode(), hashlib.sha1).digest()).decode()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        pairs = urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query, strict_parsing=True)
        fields = dict(pairs)
        assert len(fields) == len(pairs), "something stands there twice"
        good = hmac.compare_digest(fields.pop("h"), sign(fields))
        good = good and re.fullmatch("[A-Za-z0-9]{16,40}", fields["nonce"])
        answer = {"otp": fields["otp"], "nonce": fields["nonce"], "sl": "100", "t": "2030-01-01T00:00:00Z0000"}
        answer["status"] = "OK" if good else "BAD_SIGNATURE"
        with open(said, "a") as file:
            file.write(f"{answer['status']} {answer['otp']} {answer['nonce']}\n")
        lines = [f"h={sign(answer)}"] + [f"{name}={value}" for name, value in answer.items()]
        body = "".join(f"{line}\r\n" for line in lines).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
