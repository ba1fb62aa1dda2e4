"""An SMTP server for the tests: aiosmtpd with TLS, a login, and answers by script.

What it is told comes as one line of JSON on standard input: mode (tls, starttls, plain), cert and key (files), login (user
and password, or null). It prints its port, and then one line of JSON for each mail and for each refusal. A
further line on standard input is an answer by script: the step (AUTH, RCPT, DATA), how often, and the answer.
"""

import asyncio
import json
import ssl
import sys
import threading

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Server:
    def __init__(self, login):
        self.login = login
        self.script = []
        self.lock = threading.Lock()

    def scripted(self, step):
        with self.lock:
            for entry in self.script:
                if entry["step"] == step and entry["times"] > 0:
                    entry["times"] -= 1
                    say({"refused": step, "answer": entry["answer"]})
                    return entry["answer"]
        return None

    def authenticate(self, server, session, envelope, mechanism, data):
        if answer := self.scripted("AUTH"):
            return AuthResult(success=False, handled=False, message=answer)
        given = isinstance(data, LoginPassword) and [data.login.decode(), data.password.decode()]
        if given != self.login:
            say({"refused": "AUTH", "answer": "535 wrong"})
        return AuthResult(success=given == self.login)

    async def handle_RCPT(self, server, session, envelope, address, options):
        if answer := self.scripted("RCPT"):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        answer = self.scripted("DATA")
        say({
            "taken": answer is None,
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None,
            "login": bool(session.authenticated),
            "message": envelope.original_content.decode(),
        })
        return answer or "250 OK"


def say(value):
    print(json.dumps(value), flush=True)


def listen(server):
    for line in sys.stdin:
        entry = json.loads(line)
        with server.lock:
            server.script.append(entry)


async def main():
    settings = json.loads(sys.stdin.readline())
    mode, login = settings["mode"], settings["login"]
    context = None
    if mode != "plain":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(settings["cert"], settings["key"])
    server = Server(login)

    def protocol():
        return SMTP(
            server,
            hostname="mail.test",
            enable_SMTPUTF8=True,
            require_starttls=mode == "starttls",
            tls_context=context if mode == "starttls" else None,
            authenticator=server.authenticate if login else None,
            auth_required=login is not None,
            auth_require_tls=mode == "starttls",
        )

    loop = asyncio.get_running_loop()
    listener = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if mode == "tls" else None)
    say({"port": listener.sockets[0].getsockname()[1]})
    threading.Thread(target=listen, args=(server,), daemon=True).start()
    await listener.serve_forever()


asyncio.run(main())
