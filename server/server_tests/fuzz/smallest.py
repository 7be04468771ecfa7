"""Choose the inputs that stay in the tree: of a corpus, the smallest that go every step."""

import argparse
import logging
import sys
from pathlib import Path

from server_tests.fuzz import kept
from server_tests.fuzz.engine import Fuzzer
from server_tests.fuzz.marks import Trail
from server_tests.fuzz.targets import DECODERS, MARKED_TOO, load
from server_tests.fuzz.worker import known_inputs


def main(arguments: list[str]) -> int:
    """Run the corpus, the smallest inputs first, and keep what was new of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=DECODERS)
    parser.add_argument("corpus", type=Path)
    asked = parser.parse_args(arguments)
    logging.getLogger().addHandler(logging.NullHandler())
    trail = Trail([*DECODERS[asked.name], *MARKED_TOO.get(asked.name, ())])
    fuzzer = Fuzzer(load(asked.name), trail)
    fuzzer.begin(known_inputs(asked.corpus.parent))
    kept.write(asked.name, fuzzer.smallest())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
