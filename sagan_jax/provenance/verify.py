"""Verifies whether a file is marked as synthetic, by whom, and whether it was changed since."""

from __future__ import annotations

import dataclasses
import enum
import pathlib

from data_prep import weights
from data_prep.errors import InputError
from data_prep.media import video_reader
from sagan_jax.provenance import manifest as manifests
from sagan_jax.provenance import watermark
from sagan_jax.provenance.manifest import Manifest, State
from sagan_jax.provenance.watermark import Finding

# About so many frames of a video are searched for the watermark.
_FRAMES = 100


class Verdict(enum.IntEnum):
    """Conclusion about a file; the values serve as exit codes."""

    MARKED = 0
    TAMPERED = 3
    WATERMARK_ONLY = 4
    UNMARKED = 5


_HEADLINES = {
    Verdict.MARKED: "marked, and unchanged since it was signed",
    Verdict.TAMPERED: "changed since it was signed, or signed by what was not its maker",
    Verdict.WATERMARK_ONLY: "rendered by SAGAN-JAX; its manifest was taken away",
    Verdict.UNMARKED: "no mark found; that does not make it genuine",
}


@dataclasses.dataclass(frozen=True)
class Report:
    """Everything found out about one file.

    Attributes:
      path: the file.
      verdict: conclusion.
      manifest: statement of the file about its origin.
      watermark: result of the search for the invisible mark; None if no frame can be read.
    """

    path: pathlib.Path
    verdict: Verdict
    manifest: Manifest
    watermark: Finding | None

    def summary(self) -> str:
        """Summarises the report in a few lines."""
        lines = [
            f"{self.path}: {_HEADLINES[self.verdict]}",
            f"  manifest: {self._manifest_summary()}",
        ]
        if self.manifest.statement:
            for one in self.manifest.statement["identities"]:
                lines.append(f"  identity {one['identity']}; consent: {one['consent']}")
            if self.manifest.statement.get("non_commercial_weights"):
                lines.append(f"  {weights.NON_COMMERCIAL}")
        return "\n".join([*lines, f"  watermark: {self._watermark_summary()}"])

    def _manifest_summary(self) -> str:
        manifest = self.manifest
        if manifest.state is State.ABSENT:
            return "none"
        if manifest.state is State.TAMPERED:
            return f"does not hold ({', '.join(manifest.problems)})"
        known = "known here" if manifest.trusted else "not known here"
        says = "says that it is synthetic" if manifest.synthetic else "does not say it is synthetic"
        made = f", made with {manifest.generator}" if manifest.generator else ""
        return f"valid, signed by {manifest.signer} ({known}){made}; {says}"

    def _watermark_summary(self) -> str:
        mark = self.watermark
        if mark is None:
            return "could not be looked for; no image can be read"
        chance = f"z {mark.strength:.1f}, needs {mark.threshold:.1f}"
        if not mark.found:
            return f"none found ({chance})"
        payload = "unreadable" if mark.payload is None else f"{mark.payload:016x}"
        size = "" if mark.scale == 1 else f", at {mark.scale:.0%} of the size it was marked at"
        return f"found ({chance}{size}), payload {payload}"


def verify(path: pathlib.Path, key: str = watermark.PUBLIC_KEY) -> Report:
    """Examines a video or image, of this tool or another.

    Args:
      path: the file; it is only read.
      key: key of the watermark to look for.

    Raises:
      InputError: if it holds neither a frame nor a manifest that can be read.
    """
    manifest = manifests.read(path)
    try:
        found = _find_watermark(path, key)
    except InputError:
        # A signed file with damaged frames still says who signed it.
        if manifest.signer is None:
            raise
        found = None
    return Report(path, _verdict(manifest, found), manifest, found)


def _find_watermark(path: pathlib.Path, key: str) -> Finding:
    every = max(1, video_reader.probe(path).frames // _FRAMES)
    frames = video_reader.read_frames(path, video_reader.Span(every=every))
    return watermark.find((frame.image for frame in frames), key)


def _verdict(manifest: Manifest, mark: Finding | None) -> Verdict:
    if manifest.state is State.TAMPERED:
        return Verdict.TAMPERED
    is_marked = mark is not None and mark.found
    if manifest.state is State.ABSENT:
        return Verdict.WATERMARK_ONLY if is_marked else Verdict.UNMARKED
    # A watermark with another payload than the manifest names: the manifest was swapped.
    if mark is not None and mark.payload not in (None, manifest.watermark):
        return Verdict.TAMPERED
    # Cameras sign as well, so a valid manifest alone does not make a file synthetic.
    return Verdict.MARKED if manifest.synthetic or is_marked else Verdict.UNMARKED
