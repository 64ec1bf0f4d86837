#!/usr/bin/env python3
"""Begins TTLS conversations and leaves each after the server's hello.

half_open.py HOST:PORT SECRET TLS-VERSION COUNT
"""
import hashlib
import hmac
import os
import socket
import ssl
import struct
import sys

(host, port), secret = sys.argv[1].rsplit(":", 1), sys.argv[2].encode()
version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[sys.argv[3]]
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.connect((host, int(port)))
server.settimeout(10)


def hello():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    out = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def exchange(number, eap, state):
    """The EAP packet and the State of the Access-Challenge that answers this one."""
    attributes = b"\x01\x0banonymous" + b"\x04\x06\x7f\x00\x00\x01"
    attributes += b"".join(bytes([79, len(part) + 2]) + part for part in (eap[at:at + 253] for at in range(0, len(eap), 253)))
    if state:
        attributes += bytes([24, len(state) + 2]) + state
    attributes += b"\x50\x12"
    head = struct.pack("!BBH", 1, number % 256, 20 + len(attributes) + 16) + os.urandom(16)
    server.send(head + attributes + hmac.digest(secret, head + attributes + bytes(16), hashlib.md5))
    answer = server.recv(4096)
    assert answer[0] == 11, f"no Access-Challenge: {answer[0]}"
    eap, state, rest = b"", b"", answer[20:]
    while rest:
        kind, value, rest = rest[0], rest[2:rest[1]], rest[rest[1]:]
        eap, state = (eap + value, state) if kind == 79 else (eap, value) if kind == 24 else (eap, state)
    return eap, state


def response(identifier, data):
    return struct.pack("!BBH", 2, identifier, len(data) + 4) + data


client_hello = hello()
for number in range(int(sys.argv[4])):
    start, state = exchange(2 * number, response(0, b"\x01anonymous"), b"")
    assert start[4:] == b"\x15\x20", "no start of TTLS"
    answer, _ = exchange(2 * number + 1, response(start[1], b"\x15\x00" + client_hello), state)
    assert answer[4] == 21 and len(answer) > 100, "no hello of the server"
