"""Signed statements of origin in what is rendered (C2PA), and how they are read again.

A manifest says that the file is a composite made with a trained model, of which video, of
whom, with whose consent and with which models. It holds names and hashes of what went in,
never pixels of it. Nothing here uses a network unless a time-stamp authority is named.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib.metadata
import json
import pathlib
import secrets
import uuid
from typing import Any

import c2pa
from absl import logging

from data_prep import weights
from data_prep.errors import InputError
from sagan_jax.provenance.signing import SigningIdentity, local_authority

NOTICE = "AI-generated: a face was replaced by SAGAN-JAX"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
_STATEMENT = "org.sagan-jax.swap"
_WATERMARK_ALGORITHM = "org.sagan-jax.tile.1"
# Pictures of what went in stay out, and nothing is fetched.
_SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
_XMP_BOX = uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes


@dataclasses.dataclass(frozen=True)
class Origin:
    """What a manifest says.

    Attributes:
      target: name and SHA-256 of the video that was changed.
      identities: for both people name, consent, and fingerprint of the data set.
      rendered: which of them is seen.
      weights: every model used, in the data sets and in the conversion, with its licence.
      model: SHA-256 of the parameters, and step of the checkpoint.
      settings: of the conversion.
      watermark: 64 bits that the invisible mark carries, None where there is none.
    """

    target: dict[str, str]
    identities: tuple[dict[str, str], ...]
    rendered: str
    weights: tuple[dict[str, Any], ...]
    model: dict[str, Any]
    settings: dict[str, Any]
    watermark: int | None


class State(enum.Enum):
    """What became of a manifest."""

    VALID = "valid"
    TAMPERED = "tampered"
    ABSENT = "absent"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What a file says about its origin, and whether that holds.

    Attributes:
      state: valid: signed and unchanged since.
      signer: name in the certificate.
      trusted: whether the signer is one that this machine knows.
      synthetic: whether it says that a model made the picture, or a part of it.
      generator: the program that wrote it.
      watermark: 64 bits that the invisible mark should carry.
      statement: our own assertion; None in files of other tools.
      problems: what does not hold, as C2PA's codes.
    """

    state: State
    signer: str | None = None
    trusted: bool = False
    synthetic: bool = False
    generator: str | None = None
    watermark: int | None = None
    statement: dict[str, Any] | None = None
    problems: tuple[str, ...] = ()


def new_identifier() -> int:
    """64 random bits that tie a manifest to its watermark."""
    return secrets.randbits(64)


def seal(
    path: pathlib.Path,
    title: str,
    origin: Origin,
    identity: SigningIdentity,
    time_stamp_authority: str | None = None,
) -> None:
    """Signs a finished file in its place.

    What cannot carry a manifest, such as Matroska, gets it beside it, as `TITLE.c2pa`.

    Args:
      path: the file; it is replaced when the signed one is whole.
      title: the name it will have, in the same folder.
      origin: what is said.
      identity: who says it.
      time_stamp_authority: address to be asked for the time, None to ask nobody.

    Raises:
      InputError: if it cannot be signed.
    """
    embedded = _carries(path)
    if path.suffix == ".mp4":
        _append_xmp(path)
    sealed = path.with_name(f"{path.stem}.sealed{path.suffix}")
    try:
        with (
            c2pa.Context.from_dict(_SETTINGS) as context,
            c2pa.Builder(_manifest(title, origin), context) as builder,
            c2pa.Signer.from_info(_signer_info(identity, time_stamp_authority)) as signer,
            path.open("rb") as unsigned,
            sealed.open("w+b") as signed,
        ):
            if not embedded:
                builder.set_no_embed()
            manifest = builder.sign(signer, _format(path), unsigned, signed)
        if embedded:
            sealed.replace(path)
        else:
            _sidecar(path.with_name(title)).write_bytes(manifest)
            logging.warning("%s: cannot carry a manifest; it lies beside it, keep both.", title)
    except c2pa.C2paError as error:
        raise InputError(f"{title}: cannot be signed as {identity.name} ({error})") from error
    finally:
        sealed.unlink(missing_ok=True)


def read(path: pathlib.Path) -> Manifest:
    """What a file, or the manifest beside it, says about its origin; of other tools too.

    Raises:
      InputError: if there is no such file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    anchors = local_authority()
    trust = {"trust": {"user_anchors": anchors}} if anchors else {}
    beside = None if _carries(path) else _sidecar(path)
    if beside and not beside.is_file():
        return Manifest(State.ABSENT)
    try:
        with (
            c2pa.Context.from_dict(_SETTINGS | trust) as context,
            path.open("rb") as file,
            c2pa.Reader(
                _format(path), file, beside and beside.read_bytes(), context=context
            ) as reader,
        ):
            return _understood(json.loads(reader.json()))
    except c2pa.C2paError.ManifestNotFound:
        return Manifest(State.ABSENT)
    except c2pa.C2paError as error:
        return Manifest(State.TAMPERED, problems=(str(error),))


def _carries(path: pathlib.Path) -> bool:
    return path.suffix.lower().lstrip(".") in c2pa.Builder.get_supported_mime_types()


def _format(path: pathlib.Path) -> str:
    return path.suffix.lower().lstrip(".") if _carries(path) else "application/octet-stream"


def _sidecar(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f"{path.name}.c2pa")


def _signer_info(
    identity: SigningIdentity, time_stamp_authority: str | None
) -> c2pa.C2paSignerInfo:
    return c2pa.C2paSignerInfo(
        identity.algorithm,
        identity.certificates.encode(),
        identity.key.encode(),
        time_stamp_authority,
    )


def _understood(store: dict[str, Any]) -> Manifest:
    manifest = store["manifests"][store["active_manifest"]]
    assertions = {one["label"]: one["data"] for one in manifest.get("assertions", [])}
    actions = [
        a for label, data in assertions.items() if "c2pa.actions" in label for a in data["actions"]
    ]
    status = store.get("validation_results", {}).get("activeManifest", {})
    problems = tuple(dict.fromkeys(one["code"] for one in status.get("failure", [])))
    state = store.get("validation_state")
    signature = manifest.get("signature_info", {})
    generator = manifest.get("claim_generator_info") or [{}]
    mark = assertions.get("c2pa.soft-binding", {})
    ours = mark.get("alg") == _WATERMARK_ALGORITHM
    return Manifest(
        state=State.TAMPERED if state == "Invalid" else State.VALID,
        signer=signature.get("common_name") or signature.get("issuer"),
        trusted=state == "Trusted",
        synthetic=any("rainedAlgorithmicMedia" in a.get("digitalSourceType", "") for a in actions),
        generator=" ".join(generator[0].get(k, "") for k in ("name", "version")).strip() or None,
        watermark=int(mark["blocks"][0]["value"], 16) if ours else None,
        statement=assertions.get(_STATEMENT),
        problems=problems,
    )


def _manifest(title: str, origin: Origin) -> dict[str, Any]:
    agent = {"name": "SAGAN-JAX", "version": importlib.metadata.version("sagan-jax")}
    ingredients = [_ingredient("target", origin.target["name"], origin.target["sha256"])] + [
        _ingredient(f"identity {one['identity']}", one["identity"], one["fingerprint"])
        for one in origin.identities
    ]
    action = {
        "action": "c2pa.created",
        "digitalSourceType": SOURCE_TYPE,
        "softwareAgent": agent,
        "description": NOTICE,
        "parameters": {"ingredientIds": [one["instance_id"] for one in ingredients]},
    }
    statement = {
        "notice": NOTICE,
        **{k: v for k, v in dataclasses.asdict(origin).items() if k != "watermark"},
        "non_commercial_weights": weights.non_commercial(origin.weights),
        "enhancement": "unsharp masking" if origin.settings.get("sharpen") else "none",
    }
    assertions = [
        {"label": "c2pa.actions.v2", "data": {"actions": [action]}},
        {"label": _STATEMENT, "data": statement},
    ]
    if origin.watermark is not None:
        block = {"scope": {}, "value": f"{origin.watermark:016x}"}
        binding = {"alg": _WATERMARK_ALGORITHM, "blocks": [block]}
        assertions.append({"label": "c2pa.soft-binding", "data": binding})
    return {
        "title": title,
        "claim_generator_info": [agent],
        "ingredients": ingredients,
        "assertions": assertions,
    }


def _ingredient(role: str, name: str, sha256: str) -> dict[str, str]:
    return {
        "title": name,
        "relationship": "inputTo",
        "instance_id": f"sha256:{sha256}",
        "description": role,
    }


def _append_xmp(path: pathlib.Path) -> None:
    """What readers of XMP and IPTC look for, as the box that MP4 has for it."""
    packet = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}">
   <dc:description>
    <rdf:Alt><rdf:li xml:lang="x-default">{NOTICE}</rdf:li></rdf:Alt>
   </dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>""".encode()
    size = 8 + len(_XMP_BOX) + len(packet)
    with path.open("ab") as file:
        file.write(size.to_bytes(4, "big") + b"uuid" + _XMP_BOX + packet)
