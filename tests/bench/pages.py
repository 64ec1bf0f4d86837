#!/usr/bin/env python3
"""Asks the portal for its pages, so many a second, over connections that stay open.

    pages.py DIR [RATE] [SECONDS]

DIR holds a demonstration that runs (demo.env). One browser has signed in, another has not. Prints, for each page and for all, the times
that answers took, from the moment when they were due, as JSON.
"""

import http.client
import json
import re
import sys
import threading
import time
import urllib.parse

STRANGER = ["/", "/sign-in", "/reset", "/activate", "/practices", "/app", "/key"]
SIGNED_IN = ["/", "/register", "/security"]
CONNECTIONS = 16


def signed_in(host, user, password):
    connection = http.client.HTTPConnection(host)
    connection.request("GET", "/sign-in")
    answer = connection.getresponse()
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    token = re.search(r'name="form" value="([^"]*)"', answer.read().decode())[1]
    body = urllib.parse.urlencode({"form": token, "username": user, "password": password})
    headers = {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{host}"}
    connection.request("POST", "/sign-in", body, headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 303, answer.status
    return answer.headers["Set-Cookie"].split(";")[0]


def main():
    folder = sys.argv[1]
    rate, seconds = (float(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((2, 200), (3, 20)))
    env = dict(line.rstrip("\n").split("=", 1) for line in open(f"{folder}/demo.env"))
    value = lambda name: env[name].strip("'")
    host = value("PORTAL_URL").removeprefix("http://")
    cookie = signed_in(host, value("UNREGISTERED_USER"), value("UNREGISTERED_PASSWORD"))
    pages = [(page, {}) for page in STRANGER] + [(page, {"Cookie": cookie}) for page in SIGNED_IN]
    times, lock = {}, threading.Lock()
    start = time.perf_counter() + 0.5

    def load(first):
        connection = http.client.HTTPConnection(host)
        for number in range(first, int(rate * seconds), CONNECTIONS):
            page, headers = pages[number % len(pages)]
            due = start + number / rate
            time.sleep(max(0, due - time.perf_counter()))
            connection.request("GET", page, headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, (page, answer.status)
            with lock:
                times.setdefault(page + (" (signed in)" if headers else ""), []).append(time.perf_counter() - due)

    threads = [threading.Thread(target=load, args=(first,)) for first in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    def told(taken):
        taken = sorted(taken)
        at = lambda share: round(taken[min(len(taken) - 1, int(len(taken) * share))] * 1000, 2)
        return {"requests": len(taken), "p50_ms": at(0.5), "p99_ms": at(0.99)}

    every = [taken for page in times.values() for taken in page]
    print(json.dumps({"all": told(every)} | {page: told(taken) for page, taken in sorted(times.items())}))


main()
