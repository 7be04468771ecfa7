"""The command: what it refuses, and what it shows again."""

from pathlib import Path

import pytest

from bench import results
from bench.__main__ import main, parse
from bench.bench_tests.measurements import pair
from bench.failure import BenchError
from bench.results import Figure, Figures, Point, Rows, Watched
from bench.servers import Side, require_consul
from bench.wrk import require_wrk


def test_without_a_consul_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONSUL_REAL", raising=False)
    with pytest.raises(BenchError, match=r"install Consul 1\.8\.7"):
        require_consul()


def test_another_version_is_not_measured_against(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "consul"
    program.write_text("#!/bin/sh\necho Consul v1.9.0\n")
    program.chmod(0o755)
    monkeypatch.setenv("CONSUL_REAL", str(program))
    with pytest.raises(BenchError, match=r"calls itself 'Consul v1\.9\.0'"):
        require_consul()
    monkeypatch.setenv("CONSUL_REAL", str(tmp_path / "none"))
    with pytest.raises(BenchError, match="cannot be run"):
        require_consul()


def test_without_wrk_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchError, match="apt install wrk"):
        require_wrk()


def test_what_is_measured_without_a_word_is_all_that_has_goals() -> None:
    assert parse([])[0] == ["all"]
    assert parse(["get", "--servers", "3"])[1].servers == (3,)


@pytest.mark.parametrize("words", [["--servers", "2"], ["--servers", "x"], ["--pairs", "0"]])
def test_nonsense_is_refused(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        parse(words)


def test_a_workload_that_is_not_there_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gte", "--folder", str(tmp_path)]) == 2
    assert "no workload 'gte'" in capsys.readouterr().err


def test_results_are_shown_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "results"
    results.save(
        results.new_path(folder, "rows"),
        Rows(settings={"kernel": "9.9"}, measured=pair(0, 100, 300)),
    )
    results.save(
        results.new_path(folder, "watchers"),
        results.Watchers(
            settings={},
            rounds=[watched(Side.CONSUL, 60.0), watched(Side.OURS, 20.0)],
            bytes_each={"consul-1": 34000.0, "proconsul-1": 3000.0},
        ),
    )
    results.save(
        results.new_path(folder, "lives"),
        Figures(
            settings={},
            figures=[
                Figure(name="snapshot of 100k keys", side=side, value=value)
                for side, value in ((Side.CONSUL, 0.5), (Side.OURS, 0.6))
            ],
        ),
    )
    results.save(
        results.new_path(folder, "mixed"),
        Figures(settings={}, figures=[Figure(name="elections", side=Side.OURS, value=1)]),
    )
    results.save(
        results.new_path(folder, "growth"),
        results.Growth(
            settings={},
            points=[
                Point(
                    operation="GET of a key",
                    measure="CPU, us a request",
                    side=Side.OURS,
                    at=at,
                    value=at / 100,
                )
                for at in (1000, 10_000)
            ],
        ),
    )
    assert main(["report", "--folder", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "- kernel: 9.9" in shown
    assert "| 3x | yes |" in shown
    assert "**0.33x** | 0.5x | yes" in shown
    assert "**0.60 s** (0.60 to 0.60) | at most 1x | **no**" in shown
    assert "| elections | - | **1.00** | none | **no** |" in shown
    assert "n^1.00 | **no**" in shown


def watched(side: Side, last_ms: float) -> Watched:
    return Watched(
        servers=1,
        round=0,
        side=side,
        watchers=1000,
        acknowledged_ms=1.0,
        first_ms=1.0,
        median_ms=2.0,
        last_ms=last_ms,
        cpu_ms=10.0,
    )


def test_a_report_of_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--folder", str(tmp_path)]) == 2
    assert "no results" in capsys.readouterr().err
    (tmp_path / "rows-x.json").write_text("{")
    assert main(["report", str(tmp_path / "rows-x.json")]) == 2
    assert main(["report", str(tmp_path / "other.json")]) == 2
