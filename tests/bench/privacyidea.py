#!/usr/bin/env python3
"""Gives a privacyIDEA server people with apps, as check.py wants them.

    privacyidea.py DIR URL COUNT

DIR holds `passwd`, which this writes before; the administrator is admin, with the password of-this-bench.
"""

import base64
import json
import os
import sys
import urllib.parse
import urllib.request


def main():
    folder, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    people = [f"person{number}" for number in range(count)]
    with open(f"{folder}/passwd", "w") as file:
        file.writelines(f"{name}:x:{number + 1000}:1000:{name}:/:/bin/sh\n" for number, name in enumerate(people))

    def post(path, token="", **fields):
        request = urllib.request.Request(url + path, urllib.parse.urlencode(fields).encode())
        request.add_header("Authorization", token)
        return json.load(urllib.request.urlopen(request))["result"]["value"]

    token = post("/auth", username="admin", password="of-this-bench")["token"]
    post("/resolver/people", token, type="passwdresolver", fileName=f"{folder}/passwd")
    post("/realm/campus", token, resolvers="people")
    post("/defaultrealm/campus", token)
    with open(f"{folder}/people.csv", "w") as file:
        for name in people:
            seed = os.urandom(20)
            post("/token/init", token, user=name, type="totp", otpkey=seed.hex(), hashlib="sha1")
            file.write(f"{name},,{base64.b32encode(seed).decode()}\n")
    with open(f"{folder}/demo.env", "w") as file:
        file.write(f"API_URL='{url}'\nAPI_KEY=''\n")


main()
