import os
import subprocess
import sys

import pytest

from pipeline.engines.run_lock import run_lock
from trainer.errors import InputError

HOLD = """
import sys, pathlib
from pipeline.engines.run_lock import run_lock
with run_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_told_who_holds_it_and_a_death_releases_it(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "root")]
    holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(InputError, match=f"process {holder.pid} is running this pipeline"), run_lock(tmp_path / "root"):
        pass
    holder.kill()
    holder.communicate()
    with run_lock(tmp_path / "root"):
        assert (tmp_path / "root" / ".lock").read_text() == str(os.getpid())


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written.*pipeline\.root"), run_lock(tmp_path / "file" / "x"):
        pass
