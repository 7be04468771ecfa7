"""The program ends when it is told to, however early."""

import subprocess
import sys

from proconsul_operator.program import ENDED

SLOW = """
import sys, time
from proconsul_operator import program

class Slowly:
    def find_spec(self, name, path=None, target=None):
        if name == "kopf":
            print("loading", flush=True)
            time.sleep(600)

sys.meta_path.insert(0, Slowly())
sys.exit(program.main())
"""


def test_sigterm_is_heard_while_the_program_is_still_being_loaded() -> None:
    """As process 1 of a container it would live on until it is killed, if it did not hear it."""
    with subprocess.Popen([sys.executable, "-c", SLOW, "run"], stdout=subprocess.PIPE) as loading:
        assert loading.stdout is not None
        assert loading.stdout.readline() == b"loading\n"
        loading.terminate()
        assert loading.wait(timeout=60) == ENDED
