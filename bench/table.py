"""Results as Markdown, with the goal and whether it is reached."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence

from bench.ratios import Line, OneSide
from bench.results import Measured
from bench.rows import BEATS_S

BEATS_SHARE = 0.9  # of the changes that a busy row should have, before the table says so
NOTES = (
    "Ratios are of requests a second, ours to Consul's, median (least to most) of the pairs; all "
    "else are medians of each side's runs, Consul / ours. CPU is that of all servers of a side, "
    "a request, with what the changes cost in a busy row. Flushes are those of the whole device, "
    "whoever asks for them. RSS is of all servers after the run, with what earlier rows of the "
    "pair left. p99 must be below Consul's in reads, and at most 1.2 times it in writes."
)


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    made = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in made) + "\n"


def settings_text(settings: Mapping[str, str]) -> str:
    """One line a setting."""
    return "".join(f"- {name}: {value}\n" for name, value in settings.items())


def duration(us: float) -> str:
    """Microseconds in the unit that reads well."""
    if us < 1000:
        return f"{us:.0f} us"
    return f"{us / 1000:.2f} ms" if us < 10_000 else f"{us / 1000:.1f} ms"


def ratio(value: float) -> str:
    """2.34x; 23.4x."""
    return f"{value:.2f}x" if value < 10 else f"{value:.1f}x"


def size(count_bytes: float) -> str:
    """In MiB, or KiB below one."""
    mib = count_bytes / 2**20
    return f"{mib:.0f} MiB" if mib >= 1 else f"{count_bytes / 1024:.1f} KiB"


def rows_table(lines: Sequence[Line]) -> str:
    """The table of the rows, and how many reach their goal."""
    head = (
        *("servers", "workload", "conns", "read while", "ratio", "goal", "met"),
        *("req/s", "p50", "p99", "CPU", "flushes/s", "RSS", "sampled"),
    )
    met = sum(line.is_met for line in lines)
    text = markdown(head, (_cells(line) for line in lines))
    text += f"\n{met} of {len(lines)} rows reach their goal.\n"
    for what, holds in REMARKS:
        named = [_name(line) for line in lines if holds(line)]
        if named:
            text += f"\n{what}: {', '.join(named)}.\n"
    return f"{text}\n{NOTES}\n"


def others_text(measured: Sequence[Measured]) -> str:
    """What else the machine did meanwhile."""
    cores = [one.other_cores for one in measured]
    if not cores:
        return ""
    return (
        f"Other work on the machine during the runs: {statistics.median(cores):.2f} cores "
        f"(median), {max(cores):.2f} (most).\n"
    )


REMARKS: tuple[tuple[str, Callable[[Line], bool]], ...] = (
    ("wrk had no core to spare, so ours is at least so fast", lambda line: line.load_is_full),
    ("Consul wins because it runs on more than one core", lambda line: line.lost_to_cores),
    (
        f"A side was too slow to take {BEATS_S} changes a second",
        lambda line: (
            line.busy and min(line.consul.beats_s, line.ours.beats_s) < BEATS_SHARE * BEATS_S
        ),
    ),
)


def _name(line: Line) -> str:
    return f"{line.row.name}{' busy' if line.busy else ''} ({line.servers})"


def _cells(line: Line) -> list[str]:
    low, high = min(line.ratios), max(line.ratios)
    real, ours = line.consul, line.ours
    return [
        str(line.servers),
        line.row.title,
        str(line.row.connections),
        _mood(line),
        f"**{ratio(line.ratio)}** ({ratio(low)} to {ratio(high)})",
        _goal(line),
        _verdict(line),
        f"{real.per_s:,.0f} / {ours.per_s:,.0f}",
        f"{duration(real.p50_us)} / {duration(ours.p50_us)}",
        f"{duration(real.p99_us)} / {duration(ours.p99_us)}",
        f"{duration(real.cpu_us)} / {duration(ours.cpu_us)}",
        f"{_flushes(real)} / {_flushes(ours)}",
        f"{size(real.rss_bytes)} / {size(ours.rss_bytes)}",
        f"{real.sampled_share:.1%} / {ours.sampled_share:.1%}",
    ]


def _mood(line: Line) -> str:
    if not line.row.workload.reads:
        return "-"
    if not line.busy:
        return "quiet"
    return "checks flip" if line.row.workload.instances else "50 writes/s"


def _goal(line: Line) -> str:
    aim = line.row.aims.get(line.servers)
    text = f"{line.goal:g}x"
    return f"{text} (aim {aim:g}x)" if aim else text


def _verdict(line: Line) -> str:
    missing = []
    if not line.is_fast_enough:
        missing.append("ratio")
    if not line.is_even_enough:
        missing.append(f"p99 is {ratio(line.p99_ratio)}")
    return f"**no**: {', '.join(missing)}" if missing else "yes"


def _flushes(side: OneSide) -> str:
    return "-" if side.flushes_s is None else f"{side.flushes_s:,.0f}"
