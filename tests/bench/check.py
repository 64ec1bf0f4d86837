#!/usr/bin/env python3
"""Checks passcodes over HTTP, each person's present one once, over connections that stay open.

    check.py DIR [CONNECTIONS] [RATE]

DIR holds demo.env (API_URL, API_KEY) and people.csv (username, password, seed) of a server that runs. RATE: requests in a second in
all, each timed from the moment when it was due; 0: as fast as answers come. Prints requests in a second and the times that
answers took, as JSON. Whoever is not let in is counted: it should be nobody.
"""

import base64
import hashlib
import hmac
import json
import socket
import struct
import sys
import threading
import time
import urllib.parse


def passcode(seed, step):
    key = base64.b32decode(seed + "=" * (-len(seed) % 8))
    digest = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
    at = digest[19] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7FFFFFFF) % 1000000:06d}"


def exchange(connection, request):
    """Sends a request; the body of its answer."""
    connection.sendall(request)

    def more():
        octets = connection.recv(65536)
        if not octets:
            sys.exit("a connection was closed before its answer")
        return octets

    answer = more()
    while b"\r\n\r\n" not in answer:
        answer += more()
    head, body = answer.split(b"\r\n\r\n", 1)
    length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    while len(body) < length:
        body += more()
    return body


def main():
    folder = sys.argv[1]
    connections, rate = (int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((2, 8), (3, 0)))
    env = dict(line.rstrip("\n").split("=", 1) for line in open(f"{folder}/demo.env"))
    url, key = urllib.parse.urlsplit(env["API_URL"].strip("'")), env["API_KEY"].strip("'")
    rows = [line.rstrip("\n").split(",") for line in open(f"{folder}/people.csv")]
    step = int(time.time()) // 30
    shown = f"Authorization: {key}\r\n" if key else ""

    def request(user, seed):
        body = urllib.parse.urlencode({"user": user, "pass": passcode(seed, step)})
        return (
            f"POST /validate/check HTTP/1.1\r\nHost: {url.netloc}\r\n{shown}"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    requests = [request(user, seed) for user, _, seed in rows if seed]
    shares = [requests[at::connections] for at in range(connections)]
    times, refused, lock = [], [0], threading.Lock()
    begun = threading.Barrier(connections + 1)

    def load(number, share):
        connection = socket.create_connection((url.hostname, url.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        mine, no = [], 0
        begun.wait()
        start = time.perf_counter()
        for turn, one in enumerate(share):
            due = start + (turn * connections + number) / rate if rate else 0
            if rate:
                time.sleep(max(0, due - time.perf_counter()))
            sent = due or time.perf_counter()
            body = exchange(connection, one)
            mine.append(time.perf_counter() - sent)
            no += b'"authentication":"ACCEPT"' not in body.replace(b" ", b"")
        with lock:
            times.extend(mine)
            refused[0] += no

    threads = [threading.Thread(target=load, args=one) for one in enumerate(shares)]
    for thread in threads:
        thread.start()
    begun.wait()
    start = time.perf_counter()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - start
    times.sort()
    at = lambda share: round(times[min(len(times) - 1, int(len(times) * share))] * 1000, 2)
    print(json.dumps({
        "requests": len(times), "seconds": round(took, 2), "per_second": round(len(times) / took),
        "p50_ms": at(0.5), "p99_ms": at(0.99), "not_let_in": refused[0],
    }))


main()
