"""`python -m compiling FOLDER`: a copy of the package in FOLDER, its busiest modules compiled.

With FOLDER in front of the module path (PYTHONPATH) the same server runs on machine code. The
sources lie beside it: for tracebacks, and for the modules that are not compiled.
"""

import argparse
import os
import shutil
import sys
import sysconfig
from pathlib import Path

from mypyc.build import mypycify
from setuptools import Distribution

from compiling.modules import files

TREE = Path(__file__).resolve().parents[2]
PACKAGE = TREE / "server" / "proconsul"
# All modules are one library. Its functions call each other directly, for nobody else can see
# them, and Python's without a stub in between (gcc and clang know all three).
DIRECT_CALLS = ("-fvisibility=hidden", "-fno-semantic-interposition", "-fno-plt")


def objection() -> str | None:
    """Why nothing can be compiled here; None: it can."""
    compiler = os.environ.get("CC", "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"there is no C compiler ({compiler}): install gcc or clang, or name one in CC"
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.is_file():
        return f"there is no {header}: install the development files of this Python"
    return None


def compile_into(folder: Path) -> int:
    """The number of modules compiled. SystemExit: mypyc or the compiler said what is wrong."""
    shutil.rmtree(folder, ignore_errors=True)
    copy = folder / PACKAGE.name
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    # mypyc names modules by their paths from here.
    os.chdir(folder)
    sources = [str(path.relative_to(folder)) for path in files(copy)]
    settings = f"--config-file={TREE / 'pyproject.toml'}"
    extensions = mypycify([settings, *sources], opt_level="2", debug_level="0", multi_file=True)
    for extension in extensions:
        extension.extra_compile_args.extend(DIRECT_CALLS)
    build = Distribution({"name": PACKAGE.name, "ext_modules": extensions})
    command = build.get_command_obj("build_ext")
    command.inplace = True
    build.run_command("build_ext")
    shutil.rmtree(folder / "build")
    return len(sources)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m compiling", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=Path, help="replaced as a whole")
    folder = parser.parse_args().folder.resolve()
    if (why := objection()) is not None:
        sys.stderr.write(f"compiling: {why}\n")
        return 1
    count = compile_into(folder)
    sys.stdout.write(f"{count} modules compiled in {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
