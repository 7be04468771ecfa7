"""Runs add up, and nothing counts as passed that was not seen at this commit."""

import subprocess
from pathlib import Path

from e2e.results import Result, alike, case_names, missing, read, write


def result(case: str, *, verdict: str = "passed", commit: str = "c1") -> Result:
    return Result(case=case, commit=commit, began="", took_s=1.0, verdict=verdict, reason="why")


def test_results_of_several_runs_are_read_together_and_the_last_of_a_case_counts(
    tmp_path: Path,
) -> None:
    write(result("01", verdict="failed"), tmp_path)
    write(result("02"), tmp_path)
    write(result("01"), tmp_path)
    assert read(tmp_path) == [result("01"), result("02")]


def test_what_was_not_run_here_and_now_is_missing() -> None:
    found = [result("01"), result("02", verdict="skipped"), result("03", commit="c0")]
    told = missing(found, ["01", "02", "03", "04"], {"c1"})
    assert [line[:2] for line in told] == ["02", "03", "04"]
    assert missing(found[:1], ["01"], {"c1"}) == []


def test_a_changed_tree_proves_nothing_of_its_commit() -> None:
    assert missing([result("01", commit="c1-dirty")], ["01"], {"c1-dirty"}) != []


def test_a_changed_tree_and_another_commit_are_not_told_as_run() -> None:
    assert "passed" in result("01").line({"c1"})
    for told in (
        result("01", commit="c0").line({"c1"}),
        result("01", commit="c1-dirty").line({"c1"}),
    ):
        assert "passed" not in told
        assert "not run" in told
    assert "not run" in result("01", commit="c1-dirty").line({"c1-dirty"})


def test_every_file_of_a_case_is_known() -> None:
    assert {"01_install", "02_leader_killed"} <= set(case_names())


def test_documents_and_other_tests_leave_results_as_they_are(tmp_path: Path) -> None:
    def commit(name: str) -> str:
        """One more, with that file; its hash."""
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("words", encoding="utf-8")
        who = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
        git = ("git", "-C", str(tmp_path), *who)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-q", "-m", name], check=True)
        told = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True)
        return told.stdout.decode().strip()

    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    first, code, words = commit("README.md"), commit("code.py"), commit("docs/NOTES.md")
    tests = commit("server/server_tests/raft/test_log.py")
    found = alike([first, code, words, "0" * 40, f"{code}-dirty"], tests, tmp_path)
    assert found == {code, words, tests}
