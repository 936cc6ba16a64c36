"""Documentation: the indexes are complete, decisions have one form, prose has one width."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "adr").glob("[0-9]*.md"))
PAGES = sorted(DOCS.rglob("*.md"))
PROSE = [*sorted(ROOT.glob("*.md")), *PAGES]
WIDTH = 100


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _linked(page: Path) -> set[Path]:
    targets = re.findall(r"\]\(([^)#\s]+)", page.read_text())
    return {(page.parent / target).resolve() for target in targets if "://" not in target}


def _prose(text: str) -> list[tuple[int, str]]:
    """Numbered lines without fenced and indented code, equations in displays, tables and comments."""
    lines, fence, before, code = [], "", "", False
    for number, line in enumerate(text.splitlines(), start=1):
        mark = line.strip()
        if fence:
            fence = "" if mark.endswith(fence) else fence
        elif match := re.match(r"```|\$\$", mark):
            fence = "" if len(mark) > 2 and mark.endswith("$$") else match[0]
        else:
            code = bool(re.match(r" {4}", line)) and (code or not before)
            if not code and not mark.startswith(("|", "<!--")):
                lines.append((number, line))
        before = mark
    return lines


def _unbreakable(line: str) -> bool:
    """A list marker and one word, link or code span: there is nowhere to break it."""
    return bool(re.fullmatch(r"\s*([-*>]|\d+\.)?\s*(`[^`]*`|!?\[[^]]*\]\([^)]*\)|\S)+", line))


def test_the_index_lists_every_page():
    assert set(PAGES) - _linked(DOCS / "README.md") - set(DECISIONS) == {DOCS / "README.md"}


def test_the_index_of_decisions_lists_every_one():
    index = DOCS / "adr" / "README.md"
    assert set(DECISIONS) <= _linked(index)
    rows = re.findall(r"^\| \[(\d{3})\]\((\S+)\) \| (.+) \| (\S+) \|$", index.read_text(), re.MULTILINE)
    assert [DOCS / "adr" / file for _, file, _, _ in rows] == DECISIONS
    for number, file, title, date in rows:
        text = (DOCS / "adr" / file).read_text()
        assert file.startswith(f"{number}-")
        assert text.startswith(f"# {number}. {title}\n")
        assert f"\n## Date\n\n{date}\n" in text


def test_decisions_are_numbered_without_gaps():
    assert [int(path.name[:3]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("path", DECISIONS, ids=_name)
def test_a_decision_has_the_five_headings(path):
    text = path.read_text()
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Status", "Date", "Context", "Decision", "Consequences"]
    sections = re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]
    assert all(section.strip() for section in sections)
    assert re.match(r"(Proposed|Accepted|Superseded)\b", sections[0].strip())
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", sections[1].strip())


@pytest.mark.parametrize("path", PROSE, ids=_name)
def test_links_lead_to_files(path):
    assert not [str(target) for target in _linked(path) if not target.exists()]


@pytest.mark.parametrize("path", PROSE, ids=_name)
def test_prose_has_one_width(path):
    long = [(number, line) for number, line in _prose(path.read_text()) if len(line) > WIDTH and not _unbreakable(line)]
    assert not long


def test_code_tables_and_equations_may_be_wider():
    wide = "x " * WIDTH
    text = f"prose\n\n    {wide}\n\n```\n{wide}\n```\n| {wide} |\n<!-- {wide} -->\n$$\n{wide}\n$$\n{wide}\n  {wide}\n"
    assert [number for number, _ in _prose(text)] == [1, 2, 4, 13, 14]
    assert not _unbreakable(wide)
    assert _unbreakable(f"- [{wide}](page.md)")
