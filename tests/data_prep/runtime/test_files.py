"""A file or folder appears as a whole or not at all."""

import pytest

from data_prep.errors import InputError
from data_prep.runtime.files import write_atomically


def test_a_file_gets_its_name_after_the_seal(tmp_path):
    path = tmp_path / "a.txt"

    def seal(file, name):
        assert not path.exists() and name == "a.txt"
        file.write_text(file.read_text() + ", sealed")

    with write_atomically(path, seal) as aside:
        assert (aside.parent, aside.suffix) == (tmp_path, ".txt")
        aside.write_text("new")
    assert path.read_text() == "new, sealed" and list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_as_a_whole_and_its_images_are_sealed(tmp_path):
    path, sealed = tmp_path / "frames", []
    path.mkdir()
    (path / "old.png").touch()
    with write_atomically(path, lambda file, name: sealed.append(name)) as aside:
        aside.mkdir()
        for name in ("1.png", "0.png", "times.txt"):
            (aside / name).touch()
    assert sealed == ["0.png", "1.png"]
    assert sorted(file.name for file in path.iterdir()) == ["0.png", "1.png", "times.txt"]


def test_a_failed_block_leaves_the_file_that_was_there(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError, match="boom"), write_atomically(path) as aside:
        aside.write_text("new")
        raise RuntimeError("boom")
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_path_that_cannot_be_written_is_refused_before_the_block(tmp_path):
    (tmp_path / "folder.txt").mkdir()
    for path in (tmp_path / "none" / "a.txt", tmp_path / "folder.txt"):
        with pytest.raises(InputError, match="cannot be written"), write_atomically(path):
            pytest.fail("the block ran")
