"""Key pairs for the JWT bearer grant, as an administrator would make and upload them: one for each platform."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_PEM = serialization.Encoding.PEM
_VALID = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class JwtKey:
    """`private_key` signs assertions; `certificate` is what one uploads; `public_key` is its PEM text."""

    private_key: Path
    certificate: Path
    public_key: str


def jwt_key(directory: Path, name: str) -> JwtKey:
    """Write `NAME-jwt.key` and `NAME-jwt.crt`, of an RSA key made here or found there from before.

    Raises OSError, and ValueError for a file that holds no RSA key.
    """
    directory.mkdir(parents=True, exist_ok=True)
    private, certificate = directory / f"{name}-jwt.key", directory / f"{name}-jwt.crt"
    key = _found(private) if private.exists() else _made(private)
    certificate.write_bytes(_signed(key, name).public_bytes(_PEM))
    public = key.public_key().public_bytes(_PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return JwtKey(private, certificate, public.decode())


def _found(path: Path) -> rsa.RSAPrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: it wants a passphrase
        raise ValueError(f"{path} holds no private key as PEM without a passphrase") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError(f"{path} holds no RSA key")
    return key


def _made(path: Path) -> rsa.RSAPrivateKey:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.touch(mode=0o600)
    path.write_bytes(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return key


def _signed(key: rsa.RSAPrivateKey, name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Integration Console to {name}")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _VALID)
        .sign(key, hashes.SHA256())
    )
