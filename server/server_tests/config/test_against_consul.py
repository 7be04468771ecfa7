"""What `consul validate` says of a file, we say, too: over a table of samples.

samples_hcl.txt and samples_json.txt hold one file a line. A line that begins with `~ ` is judged
alike but told in our own words; one that begins with `! ` we refuse as the starting agent would,
which `consul validate` does not. Runs where CONSUL_REAL names a Consul 1.8.7.
"""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from proconsul.config.failure import ConfigError
from proconsul.config.flags import parse_agent_flags
from proconsul.runtime.config_files import load

CONSUL = os.environ.get("CONSUL_REAL", "")
HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(not CONSUL, reason="CONSUL_REAL names no Consul 1.8.7")


def _samples(file_format: str) -> list[tuple[str, str]]:
    """Mark and text of each sample."""
    samples = []
    for line in (HERE / f"samples_{file_format}.txt").read_text().splitlines():
        mark = line[0] if line.startswith(("~ ", "! ")) else ""
        samples.append((mark, line[2:] if mark else line))
    return samples


def _consul_says(path: Path) -> tuple[bool, str]:
    done = subprocess.run(
        [CONSUL, "validate", str(path)], capture_output=True, text=True, timeout=30, check=False
    )
    return done.returncode == 0, done.stdout + done.stderr


def _we_say(path: Path) -> tuple[bool, str]:
    try:
        loaded = load(parse_agent_flags([f"-config-file={path}"]))
    except ConfigError as error:
        return False, str(error)
    return True, "\n".join(loaded.warnings)


def _told(text: str) -> list[str]:
    """The single complaints, without frames and line numbers."""
    text = re.sub(r" \(line \d+\)|\bline \d+: ", "", text)
    text = text.replace("Configuration is valid!", "").replace("Config validation failed: ", "")
    text = re.sub(r"failed to parse \S+: |\d+ errors? occurred:|\d+ error\(s\) decoding:", "", text)
    lines = (re.sub(r"^\s*\* ", "", line).strip() for line in text.splitlines())
    return [line for line in lines if line]


@pytest.mark.parametrize("file_format", ["hcl", "json"])
def test_every_sample_is_judged_as_consul_judges_it(file_format: str, tmp_path: Path) -> None:
    samples = _samples(file_format)
    paths = []
    for at, (_, text) in enumerate(samples):
        path = tmp_path / f"{at}.{file_format}"
        head = f'data_dir = "{tmp_path}/none" ' if file_format == "hcl" else ""
        path.write_text(f"{head}{text}\n")
        paths.append(path)
    with ThreadPoolExecutor(2) as executor:
        from_consul = list(executor.map(_consul_says, paths))

    differences = []
    for (mark, text), path, (accepted, told) in zip(samples, paths, from_consul, strict=True):
        ours, our_words = _we_say(path)
        if ours != (accepted and mark != "!"):
            differences.append(f"{text}\n  Consul: {accepted} {told}\n  we: {ours} {our_words}")
        missing = [line for line in _told(told) if line not in "\n".join(_told(our_words))]
        if missing and not mark:
            differences.append(f"{text}\n  Consul also says {missing}\n  we: {our_words}")
    assert not differences, "\n".join(differences)
