"""A mail server for tests: aiosmtpd, which writes what it receives as JSON files and does what recipients' names say.

smtpd.py FOLDER MODE CERTIFICATE KEY USER PASSWORD     MODE: starttls, tls, none; without USER nobody logs in
Prints the port. Recipients: rcpt-450@, rcpt-550@, data-451@, data-554@ are answered so; hang@ and close@ after the text;
leave@ is taken, and the connection then closed.
"""

import asyncio
import email
import email.policy
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

folder, mode, certificate, key, user, password = sys.argv[1:7]
count = 0


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        name = address.split("@")[0]
        if name.startswith("rcpt-"):
            return name[5:] + " as you like"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        global count
        name = envelope.rcpt_tos[0].split("@")[0]
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = [part for part in mail.walk() if not part.is_multipart()]
        received = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or mode == "tls",
            "login": session.auth_data,
            "headers": [[key, str(value)] for key, value in mail.items()],
            "kind": mail.get_content_type(),
            "parts": [[part.get_content_type(), part.get_content()] for part in parts],
            "defects": [str(d) for part in mail.walk() for d in part.defects],
            "ascii": envelope.content.isascii(),
            "peer": session.peer[1],
        }
        count += 1
        path = os.path.join(folder, f"{count:04}")
        with open(path + ".part", "w") as file:
            json.dump(received, file)
        os.rename(path + ".part", path + ".json")
        if name.startswith("data-"):
            text = parts[0].get_content().encode("ascii", "replace").decode().replace("\n", " ")
            return name[5:] + " as you like, with the code " + text[:200]
        if name == "hang":
            await asyncio.sleep(3600)
        if name == "close":
            server.transport.abort()
            await asyncio.sleep(3600)
        if name == "leave":
            asyncio.get_running_loop().call_later(0.02, server.transport.close)
        return "250 taken as 4711"


def check(server, session, envelope, mechanism, data):
    if mechanism not in ("LOGIN", "PLAIN"):
        return AuthResult(success=False, handled=False)
    login, secret = data.login.decode(), data.password.decode()
    # `handled` would mean that the refusal was sent from here.
    return AuthResult(success=(login, secret) == (user, password), handled=False, auth_data=login)


async def main():
    context = None
    if mode != "none":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
    offers = {"tls_context": context, "require_starttls": True} if mode == "starttls" else {}
    if user:
        offers |= {"authenticator": check, "auth_required": True, "auth_require_tls": mode == "starttls"}

    def session():
        return SMTP(Handler(), hostname="localhost", ident="test", **offers)

    wrapped = context if mode == "tls" else None
    server = await asyncio.get_running_loop().create_server(session, "127.0.0.1", 0, ssl=wrapped)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
