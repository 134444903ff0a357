"""An OpenID provider for tests: its own keys, which rotate, its own clock, its own people.

Signs with joserfc, an implementation of its own. `serving` puts it behind TLS on 127.0.0.1:
discovery (OpenID Connect Discovery 1.0), its keys (`/jwks`), a token endpoint that takes a nonce.
"""

import ssl
import warnings
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jwk, jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

AUDIENCE = "ledger-client"
HOUR = 3_600
ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519")
Key = RSAKey | ECKey | OKPKey


def make_key(algorithm: str, kid: str) -> Key:
    """A fresh key that signs with this algorithm."""
    parameters: Any = {"kid": kid, "alg": algorithm, "use": "sig"}
    if algorithm in ("RS256", "PS256"):
        return RSAKey.generate_key(2048, parameters)
    if algorithm in ("EdDSA", "Ed25519"):
        return OKPKey.generate_key("Ed25519", parameters)
    curve = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}[algorithm]
    return ECKey.generate_key(curve, parameters)


@contextmanager
def _as_registered() -> Iterator[None]:
    """joserfc warns of `EdDSA`, the name before RFC 9864, which providers use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        yield


def canonical(key: Key) -> str:
    """The public key as RFC 7638 writes it."""
    members = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}
    public = key.as_dict(private=False)
    kind = str(public["kty"])
    return "{" + ",".join(f'"{name}":"{public[name]}"' for name in members[kind]) + "}"


@dataclass
class Provider:
    """One issuer. Its newest key signs."""

    url: str = "https://id.example"
    keys: list[Key] = field(default_factory=list)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Subject → claims of its own."""
    now_s: int = 1_800_000_000
    life_s: int = HOUR

    def rotate(self, algorithm: str = "ES256", *, drop: bool = False) -> Key:
        """From now on another key signs; the others stay in the set unless they are dropped."""
        if drop:
            self.keys.clear()
        self.keys.append(make_key(algorithm, f"k{len(self.keys)}-{algorithm}"))
        return self.keys[-1]

    def claims(self, subject: str, nonce: str, **changed: Any) -> dict[str, Any]:
        """Claims of a token, now; one that is changed to None is left out."""
        said = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": subject,
            "nonce": nonce,
            "iat": self.now_s,
            "exp": self.now_s + self.life_s,
            **self.people.get(subject, {}),
            **changed,
        }
        return {name: value for name, value in said.items() if value is not None}

    def token(
        self,
        subject: str,
        nonce: str,
        *,
        key: Key | None = None,
        header: Mapping[str, Any] | None = None,
        **changed: Any,
    ) -> str:
        """A signed ID token."""
        signing = key or self.keys[-1]
        algorithm = str(signing.as_dict()["alg"])
        said = {"alg": algorithm, "kid": signing.kid, "typ": "JWT"} | dict(header or {})
        claims = self.claims(subject, nonce, **changed)
        with _as_registered():
            return jwt.encode(said, claims, signing, algorithms=[algorithm])

    def jwks(self) -> dict[str, Any]:
        """Its public keys."""
        return {"keys": [key.as_dict(private=False) for key in self.keys]}

    def accepts(self, token: str, nonce: str, *, algorithms: tuple[str, ...] = ALGORITHMS) -> bool:
        """The oracle: does joserfc, with the checks that OpenID asks of a client, take it?"""
        try:
            keys = jwk.KeySet.import_key_set({"keys": self.jwks()["keys"]})
            with _as_registered():
                found = jwt.decode(token, keys, algorithms=list(algorithms))
            registry = jwt.JWTClaimsRegistry(
                now=self.now_s,
                leeway=60,
                iss={"essential": True, "value": self.url},
                aud={"essential": True, "value": AUDIENCE},
                nonce={"essential": True, "value": nonce},
                sub={"essential": True},
                iat={"essential": True},
                exp={"essential": True},
            )
            registry.validate(found.claims)
        except Exception:  # whatever it says, it is no
            return False
        return True

    # --- over TLS ---

    @asynccontextmanager
    async def serving(self, folder: Path) -> AsyncIterator[Path]:
        """Serve on 127.0.0.1; gives the file of the CA. Sets its own URL."""
        ca, context = _certified(folder)
        application = web.Application()
        application.router.add_get("/.well-known/openid-configuration", self._discovery)
        application.router.add_get("/jwks", self._jwks)
        application.router.add_post("/token", self._token)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        port = runner.addresses[0][1]
        self.url = f"https://127.0.0.1:{port}"
        try:
            yield ca
        finally:
            await runner.cleanup()

    async def _discovery(self, _request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/jwks",
                "token_endpoint": f"{self.url}/token",
                "id_token_signing_alg_values_supported": list(ALGORITHMS),
            }
        )

    async def _jwks(self, _request: web.Request) -> web.Response:
        return web.json_response(self.jwks())

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        subject, nonce = str(form["username"]), str(form["nonce"])
        if subject not in self.people or form.get("client_id") != AUDIENCE:
            return web.json_response({"error": "invalid_grant"}, status=400)
        return web.json_response({"token_type": "Bearer", "id_token": self.token(subject, nonce)})


def _certified(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A CA of its own and a certificate for 127.0.0.1."""
    now = datetime.now(UTC)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider's CA")])

    def builder(subject: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        made = x509.CertificateBuilder(subject_name=subject, issuer_name=ca_name)
        made = made.public_key(public).serial_number(x509.random_serial_number())
        made = made.not_valid_before(now - timedelta(hours=1))
        return made.not_valid_after(now + timedelta(days=2))

    ca = (
        builder(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider")])
    host = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        builder(name, key.public_key())
        .add_extension(host, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    ca_file, chain, private = folder / "ca.pem", folder / "tls.pem", folder / "tls.key"
    ca_file.write_bytes(ca.public_bytes(pem))
    chain.write_bytes(certificate.public_bytes(pem))
    private.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, private)
    return ca_file, context
