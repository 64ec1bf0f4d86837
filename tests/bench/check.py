#!/usr/bin/env python3
"""Checks passcodes over HTTP, each person's present one once, over connections that stay open.

    check.py DIR [CONNECTIONS] [RATE]

DIR holds a demonstration that runs (demo.env, people.csv). RATE: requests in a second in all; 0: as fast as answers come. Prints
requests in a second and the times that answers took, as JSON. Whoever is not let in is counted: it should be nobody.
"""

import base64
import hashlib
import hmac
import http.client
import json
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


def main():
    folder = sys.argv[1]
    connections, rate = (int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((2, 8), (3, 0)))
    env = dict(line.rstrip("\n").split("=", 1) for line in open(f"{folder}/demo.env"))
    host, key = env["API_URL"].strip("'").removeprefix("http://"), env["API_KEY"].strip("'")
    rows = [line.rstrip("\n").split(",") for line in open(f"{folder}/people.csv")]
    step = int(time.time()) // 30
    bodies = [urllib.parse.urlencode({"user": user, "pass": passcode(seed, step)}) for user, _, seed in rows if seed]
    shares = [bodies[at::connections] for at in range(connections)]
    times, refused, lock = [], [0], threading.Lock()
    begun = threading.Barrier(connections + 1)

    def load(share):
        connection = http.client.HTTPConnection(host)
        headers = {"Authorization": key, "Content-Type": "application/x-www-form-urlencoded"}
        mine, no = [], 0
        begun.wait()
        start = time.perf_counter()
        for number, body in enumerate(share):
            if rate:
                time.sleep(max(0, start + number * connections / rate - time.perf_counter()))
            sent = time.perf_counter()
            connection.request("POST", "/validate/check", body, headers)
            answer = connection.getresponse().read()
            mine.append(time.perf_counter() - sent)
            no += b'"authentication":"ACCEPT"' not in answer
        with lock:
            times.extend(mine)
            refused[0] += no

    threads = [threading.Thread(target=load, args=(share,)) for share in shares]
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
