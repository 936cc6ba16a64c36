import os
import subprocess
import sys

NOISY = """
import os, sys, pathlib, subprocess, warnings
from pipeline.terminal.quiet import quiet
print("before")
with quiet(pathlib.Path(sys.argv[1])) as console:
    console.print("for the person")
    print("python noise")
    os.write(2, b"noise of C++\\n")
    subprocess.run(["echo", "noise of a child"])
print("after")
"""


def test_only_what_is_meant_for_a_person_reaches_the_terminal(tmp_path):
    log = tmp_path / "logs" / "run.log"
    done = subprocess.run([sys.executable, "-c", NOISY, str(log)], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n") == ["before", "for the person", "after", ""]
    assert done.stderr == ""
    assert sorted(log.read_text().splitlines()) == ["noise of C++", "noise of a child", "python noise"]


def test_the_terminal_takes_any_letter(tmp_path):
    program = "import sys, pathlib\nfrom pipeline.terminal.quiet import quiet\n"
    program += "with quiet(pathlib.Path(sys.argv[1])) as console:\n    console.print('\\u0434 \\xe9')\n"
    for encoding, said in (("ascii", b"\\u0434 \\xe9\n"), ("latin-1", b"\\u0434 \xe9\n"), ("utf-8", "д é\n".encode())):
        command = [sys.executable, "-c", program, str(tmp_path / "log")]
        environment = os.environ | {"PYTHONIOENCODING": encoding}
        assert subprocess.run(command, capture_output=True, env=environment, check=True).stdout == said
