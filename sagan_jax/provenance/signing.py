"""The identity that signs manifests: the user's own certificate, or a local one made once.

C2PA demands a chain: an authority, and a leaf whose key signs. The local authority is known to
nobody else. A file signed by its leaf can be checked for changes, but counts as signed by an
unknown signer wherever that authority is not trusted.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from data_prep.errors import InputError

CERTIFICATES_VARIABLE = "SAGAN_SIGNING_CERTIFICATES"
KEY_VARIABLE = "SAGAN_SIGNING_KEY"
# Without a time stamp a signature holds only as long as its certificate, so that is long.
_VALID_FOR = datetime.timedelta(days=3650)
# C2PA's names of ECDSA, by curve.
_ALGORITHMS = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}


@dataclasses.dataclass(frozen=True)
class SigningIdentity:
    """Certificates and key that sign a manifest.

    Attributes:
      certificates: PEM of the chain, the leaf first.
      key: PEM of the leaf's private key.
      algorithm: C2PA's name of the signature algorithm, such as "es256".
      name: name of the leaf.
      local: whether it was made on this machine and vouches only for itself.
    """

    certificates: str
    key: str = dataclasses.field(repr=False)
    algorithm: str
    name: str
    local: bool


def signing_identity(
    certificates: str | pathlib.Path | None = None, key: str | pathlib.Path | None = None
) -> SigningIdentity:
    """Returns the identity in the given files, in those of the environment, or the local one.

    The local identity is made if there is none yet.

    Args:
      certificates: PEM file of the chain, the leaf first.
      key: PEM file of the leaf's private key, not encrypted.

    Raises:
      InputError: if only one of the two is given, or they cannot be used.
    """
    certificates = certificates or os.environ.get(CERTIFICATES_VARIABLE)
    key = key or os.environ.get(KEY_VARIABLE)
    if bool(certificates) != bool(key):
        raise InputError(
            "signing needs both a certificate chain and its key; one is missing",
            setting="key" if certificates else "certificates",
        )
    if certificates and key:
        return _load(pathlib.Path(certificates), pathlib.Path(key), local=False)
    folder = local_folder()
    paths = folder / "certificates.pem", folder / "key.pem"
    if not all(path.is_file() for path in paths):
        _make_local(*paths)
    return _load(*paths, local=True)


def local_folder() -> pathlib.Path:
    """Folder of the local identity, in the user's folder for settings."""
    config = os.environ.get("XDG_CONFIG_HOME") or pathlib.Path.home() / ".config"
    return pathlib.Path(config) / "sagan-jax"


def local_authority() -> str | None:
    """Returns the PEM of the local authority, None if none was made."""
    path = local_folder() / "certificates.pem"
    if not path.is_file():
        return None
    *_, authority = x509.load_pem_x509_certificates(path.read_bytes())
    return _pem(authority).decode()


def _load(certificates: pathlib.Path, key: pathlib.Path, *, local: bool) -> SigningIdentity:
    # A missing file is the most frequent mistake and deserves a message of its own.
    for name, path in (("certificates", certificates), ("key", key)):
        if not path.is_file():
            raise InputError(f"{path}: no such file; it is needed to sign", setting=name)
    try:
        leaf = x509.load_pem_x509_certificates(certificates.read_bytes())[0]
        private = serialization.load_pem_private_key(key.read_bytes(), None)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"{certificates}, {key}: cannot be used to sign ({error})", setting="certificates"
        ) from error
    # Both would be accepted by the signer, and every verifier would reject the result.
    if private.public_key() != leaf.public_key():
        raise InputError(
            f"{key}: is not the key of the first certificate in {certificates}", setting="key"
        )
    if leaf.not_valid_after_utc < datetime.datetime.now(datetime.UTC):
        raise InputError(
            f"{certificates}: expired on {leaf.not_valid_after_utc:%Y-%m-%d}",
            setting="certificates",
        )
    names = leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return SigningIdentity(
        certificates.read_text(),
        key.read_text(),
        _algorithm(private, key),
        str(names[0].value) if names else "unnamed",
        local,
    )


def _algorithm(private: object, path: pathlib.Path) -> str:
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name in _ALGORITHMS:
        return _ALGORITHMS[private.curve.name]
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    raise InputError(
        f"{path}: C2PA knows no signature with this kind of key; use P-256", setting="key"
    )


def _make_local(certificates: pathlib.Path, key: pathlib.Path) -> None:
    """Makes the local identity and stores it in two files.

    Raises:
      InputError: if the files cannot be written.
    """
    leaf_key, leaf, authority = _issue_local()
    secret = leaf_key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        certificates.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_privately(key, secret)
        _write_privately(certificates, _pem(leaf) + _pem(authority))
    except OSError as error:
        raise InputError(
            f"{certificates.parent}: the signing key cannot be kept there ({error.strerror}); set "
            f"XDG_CONFIG_HOME, or {CERTIFICATES_VARIABLE} and {KEY_VARIABLE}"
        ) from error


def _issue_local() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate, x509.Certificate]:
    """Makes a leaf and the authority that vouches for it.

    Returns:
      Key of the leaf, the leaf, and the authority. The key of the authority is forgotten, so that
      nobody can make another leaf with it.
    """
    # C2PA accepts no certificate that signs itself, so the leaf needs an authority.
    authority_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority_name, leaf_name = _name("local authority"), _name("local signer")
    authority = (
        _certificate(authority_name, authority_name, authority_key, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    leaf = (
        _certificate(leaf_name, authority_name, leaf_key, authority_key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        .sign(authority_key, hashes.SHA256())
    )
    return leaf_key, leaf, authority


def _name(role: str) -> x509.Name:
    organization = "SAGAN-JAX (made on this machine)"
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, f"SAGAN-JAX {role}"),
        ]
    )


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
) -> x509.CertificateBuilder:
    # The clock of whoever checks a file may be a little behind.
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + _VALID_FOR)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(issuer_id, False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _write_privately(path: pathlib.Path, content: bytes) -> None:
    """Writes a file that only its owner can read, at no time anybody else."""
    aside = path.with_name(f"{path.name}.partial")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    aside.replace(path)
