"""How growth is judged and drawn."""

from xml.etree import ElementTree

import pytest

from bench import growth, plots, svg
from bench.bench_tests.measurements import pair
from bench.ratios import lines
from bench.results import Growth, Point
from bench.servers import Side


def points(operation: str, side: Side, values: dict[int, float]) -> list[Point]:
    return [
        Point(operation=operation, measure=growth.CPU, side=side, at=at, value=value)
        for at, value in values.items()
    ]


@pytest.mark.parametrize(("dear", "power"), [(10, 0), (100, 1), (1000, 2)])
def test_growth_is_a_power_of_the_size(dear: float, power: float) -> None:
    assert growth.exponent({100: 1.0, 1000: 10.0, 10_000: dear}) == pytest.approx(power)


def test_growth_needs_two_sizes() -> None:
    assert growth.exponent({100: 5.0}) is None
    assert growth.exponent({100: 0.0, 1000: 5.0}) is None


def test_what_has_to_be_flat_may_not_be_linear() -> None:
    values = {10_000: 10.0, 100_000: 100.0}
    text = growth.table(
        [
            *points("GET of a key", Side.OURS, values),
            *points("health of a service", Side.OURS, values),
        ]
    )
    flat, linear = [line for line in text.splitlines() if "n^1.00" in line]
    assert flat.endswith("**no** |")
    assert linear.endswith("yes |")


def test_every_operation_says_how_it_may_grow() -> None:
    names = [one.name for series in growth.SERIES for one in series.operations]
    assert len(names) == len(set(names))
    assert set(names) <= growth.EXPONENTS.keys() & plots.OF.keys()


def test_drawings_are_svg_with_all_that_is_known() -> None:
    found = Growth(
        settings={},
        points=[
            *points("GET of a key", Side.CONSUL, {10_000: 50.0, 100_000: 51.0}),
            *points("GET of a key", Side.OURS, {10_000: 20.0, 100_000: 0.0}),
        ],
    )
    ((name, text),) = plots.of_growth(found).items()
    assert name == "get-of-a-key-cpu-us-a-request.svg"
    drawing = ElementTree.fromstring(text)
    assert len(drawing.findall("{*}polyline")) == 2
    assert len(drawing.findall("{*}circle")) == 3  # nothing is at minus infinity


def test_a_bar_has_its_colour_by_its_goal() -> None:
    found = lines([*pair(0, 100, 300), *pair(0, 100, 100, row="get"), *pair(0, 1, 1, servers=3)])
    drawings = plots.of_rows(found)
    assert sorted(drawings) == ["ratios-1.svg", "ratios-3.svg"]
    colours = [
        bar.get("fill")
        for bar in ElementTree.fromstring(drawings["ratios-1.svg"]).iter()
        if bar.get("height") == str(svg.BAR_HEIGHT)
    ]
    assert colours == [svg.COLOURS[0], svg.COLOURS[1]]


def test_text_of_a_drawing_cannot_break_it() -> None:
    ElementTree.fromstring(svg.curves("a < b & c", "<x>", "y", {}))
