from rich.console import Console

from pipeline.terminal.shelves import Shelf, shelves, shelves_table
from serving.client.answers import Explanation

NONE = float("-inf")


def explained(item, *scores, weights=(), known=True):
    winner = max(range(len(scores)), key=lambda number: scores[number]) if known else None
    return Explanation(item, known, winner, scores, tuple(weights))


A, B = [("h1", 0.6), ("h2", 0.4), ("h3", 0.1)], [("h3", 0.9)]
CANDIDATES = [
    explained("a", 0.9, 0.1, NONE, weights=A),
    explained("b", 0.8, 0.7, NONE, weights=A),
    explained("c", 0.2, 0.95, NONE, weights=B),
    explained("d", 0.1, 0.6, NONE, weights=B),
    explained("e", 0.0, 0.0, known=False),
]
CATEGORIES = {"a": ["War"], "b": ["War", "Drama"], "c": ["Comedy"], "d": ["Comedy"], "e": ["Noir"]}


def test_each_interest_has_its_own_list_and_what_it_stands_for():
    found = shelves(CANDIDATES, CATEGORIES, 2)
    assert found == [
        Shelf(1, "Comedy", ("h3",), ("c", "b")),
        Shelf(0, "War", ("h1", "h2"), ("a", "b")),
    ]


def test_without_categories_the_number_stands_for_the_interest():
    found = shelves(CANDIDATES[:1], {}, 5)
    assert found == [Shelf(0, "", ("h1", "h2"), ("a",))]
    assert shelves([], {}, 5) == shelves(CANDIDATES[4:], {}, 5) == []


def test_the_shelves_stand_side_by_side():
    console = Console(width=80)
    with console.capture() as capture:
        console.print(shelves_table(shelves(CANDIDATES, CATEGORIES, 2), {"c": "Airplane!", "h1": "Patton [1970]"}))
    lines = capture.get().splitlines()
    assert lines[-1].strip() == "3 different items in 4 places"
    heading = next(line for line in lines if "War" in line)
    assert heading.index("Comedy") < heading.index("War")
    assert any("after h3" in line and "after Patton [1970]; h2" in line for line in lines)
    assert any("Airplane!" in line and " a " in line for line in lines)
