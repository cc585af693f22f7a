"""Signed statements of origin in rendered files (C2PA): writes and reads them.

A manifest says that the file is a composite made with a trained model, of which video, of whom,
with whose consent and with which models. It holds names and hashes of the inputs, never pixels of
them. Nothing here uses a network unless a time-stamp authority is named.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib.metadata
import json
import pathlib
import secrets
import uuid
from collections.abc import Iterable

import c2pa
from absl import logging

from data_prep import json_records, weights
from data_prep.errors import InputError
from data_prep.json_records import JsonObject
from data_prep.weights import WeightFile
from sagan_jax.checkpoints.facts import IdentityFacts
from sagan_jax.provenance.signing import SigningIdentity, local_authority

NOTICE = "AI-generated: a face was replaced by SAGAN-JAX"
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
_STATEMENT = "org.sagan-jax.swap"
_WATERMARK_ALGORITHM = "org.sagan-jax.tile.1"
# A manifest holds no thumbnails of its inputs, and verifying one fetches nothing.
_SETTINGS = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
}
# Identifies the box of an MP4 that holds XMP ("XMP Specification Part 3", 2020).
_XMP_BOX = uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes


@dataclasses.dataclass(frozen=True)
class NamedFile:
    """A file by name and hash.

    Attributes:
      name: file name.
      sha256: hex digest of its content.
    """

    name: str
    sha256: str


@dataclasses.dataclass(frozen=True)
class ConsentedIdentity:
    """A person whose face a model learned from.

    Attributes:
      identity: name of the person.
      consent: statement of consent.
      fingerprint: fingerprint of the data set.
    """

    identity: str
    consent: str
    fingerprint: str

    @classmethod
    def of_all(cls, people: Iterable[IdentityFacts]) -> tuple[ConsentedIdentity, ...]:
        """Returns the people of a model as a manifest names them."""
        return tuple(cls(one.identity, one.card.consent, one.card.fingerprint) for one in people)


@dataclasses.dataclass(frozen=True)
class ModelReference:
    """A trained generator.

    Attributes:
      step: step of its checkpoint.
      sha256: hex digest of its parameters; None while it is being trained.
    """

    step: int
    sha256: str | None = None


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where a rendered video comes from: the content of its manifest.

    Attributes:
      target: video that was changed.
      identities: both people of the model.
      rendered: name of the person who is visible in the result.
      weights: every model used, for the data sets and for the conversion, with its licence.
      model: trained generator.
      settings: settings of the conversion, as JSON has them.
      watermark: 64 bits that the invisible mark carries, None where there is none.
    """

    target: NamedFile
    identities: tuple[ConsentedIdentity, ...]
    rendered: str
    weights: tuple[WeightFile, ...]
    model: ModelReference
    settings: JsonObject
    watermark: int | None


class State(enum.Enum):
    """Whether a file has a manifest, and whether that holds."""

    VALID = "valid"
    TAMPERED = "tampered"
    ABSENT = "absent"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Statement of a file about its origin, and whether it holds.

    Attributes:
      state: whether there is a manifest; it is valid if it is signed and unchanged since.
      signer: name in the certificate.
      trusted: whether this machine knows the signer.
      synthetic: whether it says that a model made the images, or a part of them.
      generator: program that wrote it.
      watermark: 64 bits that the invisible mark should carry; None if it names none of ours.
      statement: the assertion that only this project writes; None in files of other tools.
      problems: C2PA's codes of what does not hold.
    """

    state: State
    signer: str | None = None
    trusted: bool = False
    synthetic: bool = False
    generator: str | None = None
    watermark: int | None = None
    statement: JsonObject | None = None
    problems: tuple[str, ...] = ()


def new_identifier() -> int:
    """Returns 64 random bits that tie a manifest to its watermark."""
    return secrets.randbits(64)


def seal(
    path: pathlib.Path,
    title: str,
    origin: Origin,
    identity: SigningIdentity,
    time_stamp_authority: str | None = None,
) -> None:
    """Signs a finished file in its place.

    For a container that cannot carry a manifest, such as Matroska, it is written to `TITLE.c2pa`.

    Args:
      path: the file; it is replaced when the signed one is complete.
      title: name that the file will get, in the same folder.
      origin: content of the manifest.
      identity: identity that signs it.
      time_stamp_authority: address of the service that states the time; None for none.

    Raises:
      InputError: if it cannot be signed.
    """
    embedded = _can_carry(path)
    # XMP first: a byte that is added after signing would count as tampering.
    if path.suffix == ".mp4":
        _append_xmp(path)
    sealed = path.with_name(f"{path.stem}.sealed{path.suffix}")
    try:
        with (
            c2pa.Context.from_dict(_SETTINGS) as context,
            c2pa.Builder(_definition(title, origin), context) as builder,
            c2pa.Signer.from_info(_signer_info(identity, time_stamp_authority)) as signer,
            path.open("rb") as unsigned,
            sealed.open("w+b") as signed,
        ):
            if not embedded:
                builder.set_no_embed()
            manifest = builder.sign(signer, _format(path), unsigned, signed)
        # The signed copy takes the place of the file; a manifest beside it covers the file itself.
        if embedded:
            sealed.replace(path)
        else:
            _beside(path.with_name(title)).write_bytes(manifest)
            logging.warning("%s: cannot carry a manifest; it lies beside it, keep both.", title)
    except c2pa.C2paError as error:
        raise InputError(f"{title}: cannot be signed as {identity.name} ({error})") from error
    finally:
        sealed.unlink(missing_ok=True)


def read(path: pathlib.Path) -> Manifest:
    """Reads the manifest in a file or beside it, written by this tool or another.

    Raises:
      InputError: if there is no such file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    # Only the authority of this machine is known here; nothing is asked of a network.
    anchors = local_authority()
    trust = {"trust": {"user_anchors": anchors}} if anchors else {}
    contents = None
    if not _can_carry(path):
        if not _beside(path).is_file():
            return Manifest(State.ABSENT)
        contents = _beside(path).read_bytes()
    try:
        with (
            c2pa.Context.from_dict(_SETTINGS | trust) as context,
            path.open("rb") as file,
            c2pa.Reader(_format(path), file, contents, context=context) as reader,
        ):
            return _interpret(json.loads(reader.json()))
    except c2pa.C2paError.ManifestNotFound:
        return Manifest(State.ABSENT)
    except c2pa.C2paError as error:
        return Manifest(State.TAMPERED, problems=(str(error),))


def _can_carry(path: pathlib.Path) -> bool:
    """Whether a manifest can be embedded in files of this kind."""
    return path.suffix.lower().lstrip(".") in c2pa.Builder.get_supported_mime_types()


def _format(path: pathlib.Path) -> str:
    return path.suffix.lower().lstrip(".") if _can_carry(path) else "application/octet-stream"


def _beside(path: pathlib.Path) -> pathlib.Path:
    """Path of the manifest of a file that cannot carry one."""
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


def _interpret(store: JsonObject) -> Manifest:
    """Reads the active manifest of a C2PA manifest store, as its JSON report has it."""
    manifest = store["manifests"][store["active_manifest"]]
    assertions = {one["label"]: one["data"] for one in manifest.get("assertions", [])}
    actions = [
        action
        for label, data in assertions.items()
        if "c2pa.actions" in label
        for action in data["actions"]
    ]

    # A signer that this machine does not know makes a manifest "Valid", a known one "Trusted".
    state = store.get("validation_state")
    status = store.get("validation_results", {}).get("activeManifest", {})
    signature = manifest.get("signature_info", {})
    generator, *_ = manifest.get("claim_generator_info") or [{}]
    name_and_version = " ".join(generator.get(key, "") for key in ("name", "version")).strip()

    # The watermark of another tool is no payload of ours.
    binding = assertions.get("c2pa.soft-binding", {})
    is_ours = binding.get("alg") == _WATERMARK_ALGORITHM
    return Manifest(
        state=State.TAMPERED if state == "Invalid" else State.VALID,
        signer=signature.get("common_name") or signature.get("issuer"),
        trusted=state == "Trusted",
        synthetic=any(_is_synthetic(action) for action in actions),
        generator=name_and_version or None,
        watermark=int(binding["blocks"][0]["value"], 16) if is_ours else None,
        statement=assertions.get(_STATEMENT),
        problems=tuple(dict.fromkeys(one["code"] for one in status.get("failure", []))),
    )


def _is_synthetic(action: JsonObject) -> bool:
    # Matches "trainedAlgorithmicMedia" and "compositeWithTrainedAlgorithmicMedia".
    return "rainedAlgorithmicMedia" in action.get("digitalSourceType", "")


def _definition(title: str, origin: Origin) -> JsonObject:
    """Returns the definition of a manifest, as C2PA's builder takes it."""
    agent = {"name": "SAGAN-JAX", "version": importlib.metadata.version("sagan-jax")}
    ingredients = [_ingredient("target", origin.target.name, origin.target.sha256)]
    for one in origin.identities:
        role = f"identity {one.identity}"
        ingredients.append(_ingredient(role, one.identity, one.fingerprint))
    # The source type is what other tools look for to show that an image is synthetic.
    action = {
        "action": "c2pa.created",
        "digitalSourceType": SOURCE_TYPE,
        "softwareAgent": agent,
        "description": NOTICE,
        "parameters": {"ingredientIds": [one["instance_id"] for one in ingredients]},
    }
    assertions = [
        {"label": "c2pa.actions.v2", "data": {"actions": [action]}},
        {"label": _STATEMENT, "data": _statement(origin)},
    ]
    # The soft binding ties the manifest to the watermark, which survives when it is stripped.
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


def _statement(origin: Origin) -> JsonObject:
    """Returns the assertion that only this project writes."""
    # The payload is in the soft binding, where other tools look for one.
    facts = {k: v for k, v in json_records.to_json(origin).items() if k != "watermark"}
    return {
        "notice": NOTICE,
        **facts,
        "non_commercial_weights": weights.non_commercial(origin.weights),
        "enhancement": "unsharp masking" if origin.settings.get("sharpen") else "none",
    }


def _ingredient(role: str, name: str, sha256: str) -> dict[str, str]:
    return {
        "title": name,
        "relationship": "inputTo",
        "instance_id": f"sha256:{sha256}",
        "description": role,
    }


def _append_xmp(path: pathlib.Path) -> None:
    """Appends the box of an MP4 in which readers of XMP and IPTC look for the source type."""
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
    # The size of a box counts its header: four bytes of size and four of type.
    size = 8 + len(_XMP_BOX) + len(packet)
    with path.open("ab") as file:
        file.write(size.to_bytes(4, "big") + b"uuid" + _XMP_BOX + packet)
