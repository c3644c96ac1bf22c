import errno
import os
import subprocess
import sys

import pytest

from kanatui.core import storage
from kanatui.core.errors import StorageError


def test_replacing_leaves_the_old_file_when_anything_fails(tmp_path):
    path = tmp_path / "precious.json"
    storage.write_json(path, {"a": "あ"})
    with pytest.raises(RuntimeError), storage.replacing(path) as file:
        file.write(b"half")
        raise RuntimeError
    assert path.read_text(encoding="utf-8") == '{\n  "a": "あ"\n}\n'
    assert [p for p in tmp_path.iterdir() if p.is_file()] == [path]


def test_a_full_disk_is_said_in_one_line_and_harms_nothing(tmp_path):
    path = tmp_path / "precious"
    path.write_bytes(b"old")
    with pytest.raises(StorageError, match=r"precious.*disk is full") as caught, storage.replacing(path):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == b"old"


def test_the_kernels_own_full_device_is_recognised():
    with (
        pytest.raises(StorageError, match="disk is full"),
        storage.storing("/dev/full"),
        open("/dev/full", "wb") as file,
    ):
        file.write(b"x" * 100_000)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file/inside"):
        storage.make_folder(tmp_path / "file" / "inside")
    with pytest.raises(StorageError, match="/proc"):
        storage.make_folder("/proc/kanatui")


def test_a_lock_is_held_by_one_process_and_ends_with_it(tmp_path):
    path = tmp_path / ".lock"
    script = f"""
import sys
from kanatui.core import storage
with storage.exclusive({str(path)!r}, "busy"):
    print(1, flush=True)
    sys.stdin.read()
"""
    other = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"1\n"
    assert storage.lock_holder(path) == other.pid
    with pytest.raises(StorageError, match="busy"), storage.exclusive(path, "busy"):
        pass
    other.kill()
    other.wait()
    assert storage.lock_holder(path) is None
    with storage.exclusive(path, "busy"):
        assert path.read_text() == str(os.getpid())
