"""A small OpenID Connect provider for the tests: discovery, authorize with a form, token, keys.

It checks what a provider has to check (client, redirect address, PKCE, one use of a code), remembers who
signed in, asks again when told to, and can be made to misbehave in named ways.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, CLIENT_SECRET = "dpsynth", "a secret of the tests"
PASSWORD = "correct horse"


@dataclass
class Provider:
    """The provider's memory, and its faults.

    Attributes:
        age: seconds that each sign-in lies back in ``auth_time``.
        says_auth_time: whether tokens state ``auth_time``.
        deaf: whether it ignores that it was told to ask again.
        spoil: what is wrong with the next tokens: ``signature``, ``nonce``, ``audience``, ``issuer`` or "".
        verified: whether it vouches for e-mail addresses.
        forms: how often it showed its form.
    """

    issuer: str
    redirect_uri: str
    age: int = 0
    says_auth_time: bool = True
    deaf: bool = False
    spoil: str = ""
    verified: bool = True
    forms: int = 0
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}))
    other: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}))
    signed_in: dict[str, tuple[str, int]] = field(default_factory=dict)
    codes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def reset(self) -> None:
        """As it was at first: nobody is signed in, and nothing is wrong with it."""
        self.age, self.forms, self.spoil = 0, 0, ""
        self.says_auth_time, self.deaf, self.verified = True, False, True
        self.signed_in.clear()
        self.codes.clear()

    def id_token(self, told: dict[str, Any]) -> str:
        now = int(time.time())
        user = told["user"]
        claims: dict[str, Any] = {
            "iss": "http://elsewhere.test" if self.spoil == "issuer" else self.issuer,
            "sub": f"id-of-{user}",
            "aud": "somebody else" if self.spoil == "audience" else CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": "another nonce altogether" if self.spoil == "nonce" else told["nonce"],
            "email": f"{user}@example.org",
            "email_verified": self.verified,
        }
        if self.says_auth_time:
            claims["auth_time"] = told["auth_time"]
        key = self.other if self.spoil == "signature" else self.key
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def _send(self, status: int, body: str, kind: str, **headers: str) -> None:
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def _json(self, body: object, status: int = 200) -> None:
        self._send(status, json.dumps(body), "application/json")

    def do_GET(self) -> None:
        path, asked = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path == "/.well-known/openid-configuration":
            self._json(self._metadata())
        elif path == "/jwks":
            self._json({"keys": [self.provider.key.as_dict(private=False)]})
        elif path == "/authorize":
            self._authorize({name: values[0] for name, values in asked.items()})
        else:
            self._json({"error": "not found"}, 404)

    def _metadata(self) -> dict[str, Any]:
        issuer = self.provider.issuer
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def _authorize(self, asked: dict[str, str]) -> None:
        provider = self.provider
        if (asked.get("client_id"), asked.get("redirect_uri")) != (CLIENT, provider.redirect_uri):
            self._json({"error": "unknown client"}, 400)
            return
        cookie = SimpleCookie(self.headers.get("Cookie", ""))
        known = provider.signed_in.get(cookie["op"].value) if "op" in cookie else None
        again = asked.get("prompt") == "login" or asked.get("max_age") == "0"
        if known and (provider.deaf or not again):
            self._back(asked, *known)
            return
        provider.forms += 1
        hidden = "".join(
            f'<input type="hidden" name="{html.escape(k)}" value="{html.escape(v)}">'
            for k, v in asked.items()
        )
        page = (
            "<!doctype html><title>Provider</title><h1>Provider of the tests</h1><form method='post' "
            f"action='/authorize'>{hidden}<label>Name <input name='user'></label><label>Password "
            "<input name='password' type='password'></label><button>Log in</button></form>"
        )
        self._send(200, page, "text/html")

    def _back(self, asked: dict[str, str], user: str, auth_time: int, **headers: str) -> None:
        code = secrets.token_urlsafe(16)
        about = {"user": user, "auth_time": auth_time, "nonce": asked["nonce"]}
        self.provider.codes[code] = {**about, "challenge": asked["code_challenge"]}
        query = urlencode({"code": code, "state": asked["state"]})
        self._send(302, "", "text/plain", Location=f"{asked['redirect_uri']}?{query}", **headers)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
        if urlsplit(self.path).path == "/token":
            self._token(form)
        elif form.get("password") != PASSWORD or "user" not in form:
            self._json({"error": "access denied"}, 403)
        else:
            name, auth_time = secrets.token_urlsafe(16), int(time.time()) - self.provider.age
            self.provider.signed_in[name] = (form["user"], auth_time)
            self._back(form, form["user"], auth_time, Set_Cookie=f"op={name}; HttpOnly; Path=/")

    def _token(self, form: dict[str, str]) -> None:
        pair = base64.b64encode(f"{CLIENT}:{CLIENT_SECRET}".encode()).decode()
        told = self.provider.codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "").encode()
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier).digest()).rstrip(b"=").decode()
        sent = (self.headers.get("Authorization"), form.get("redirect_uri"))
        if (
            sent != (f"Basic {pair}", self.provider.redirect_uri)
            or not told
            or told["challenge"] != challenge
        ):
            self._json({"error": "invalid_grant"}, 400)
            return
        body = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "expires_in": 300}
        self._json({**body, "id_token": self.provider.id_token(told)})


@contextmanager
def serving(redirect_uri: str) -> Iterator[Provider]:
    """The provider on a free port of this machine, until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    provider = Provider(f"http://127.0.0.1:{server.server_port}", redirect_uri)
    server.RequestHandlerClass = type("Handler", (_Handler,), {"provider": provider})
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
