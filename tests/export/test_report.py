"""The page about an answer: whole in itself, without scripts, and true."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, date, datetime
from html.parser import HTMLParser

import pytest
from attrs import evolve

from enlighten_async import (
    BatteryLifetime,
    Coverage,
    EnergyLifetime,
    Gap,
    Reason,
    Receipt,
    RgmInterval,
    RgmStats,
    Series,
    Stats,
    StatsInterval,
)
from enlighten_async.errors import InputError
from enlighten_async.export.report import SystemsReport, report
from enlighten_async.models.intervals import IntervalStats, profile
from enlighten_async.models.lifetime import days_of_utc
from enlighten_async.windows import Window, time_zone
from tests.world import World

NAMES = {
    "script": "<script>alert(1)</script>",
    "closing": "</title></style></h1><img src=x onerror=alert(1)>",
    "quotes": '"\' onload="x',
    "formula": '=cmd|"/c calc"!A1',
    "control": "a\x00\x1b[2J\x07\nb",
    "direction": "abc\u202egnp.exe\u2066",
    "surrogate": "half \ud83d of one",
    "emoji": "☀️👩\u200d🔧 roof",
    "arabic": "بيت الشمس",
    "entity": "&lt;b&gt; &amp;amp;",
}

START = int(datetime(2025, 3, 1, 8, tzinfo=UTC).timestamp())


def answer(
    hours: int = 96,
    *,
    gaps: tuple[Gap, ...] = (),
    wh: float | None = 250.0,
    zone: str | None = "America/Los_Angeles",
) -> RgmStats:
    """Return an answer of so many hours with the same energy in each quarter, from a local midnight on."""
    window = Window(START, START + hours * 3600)
    missing = [gap.window for gap in gaps]
    ends = [
        end
        for end in range(window.start + 900, window.end + 1, 900)
        if not any(gap.start < end <= gap.end for gap in missing)
    ]
    values = [float("nan") if wh is None else wh] * len(ends)
    rows = Series.of(RgmInterval, ends, [1.0] * len(ends), values)
    return RgmStats(1765, 1, None, window, zone, rows, (), Coverage(window, 900, gaps), Receipt(sent=3))


class Page(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        """Note a text."""
        self.texts.append(data)


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_is_a_text_and_nothing_else(name: str) -> None:
    """Whatever is in it, the page has the same tags and attributes, and can be stored."""
    plain, odd = Page(report(answer(), name="plain")), Page(report(answer(), name=name))
    assert odd.tags == plain.tags
    assert [each for each, _ in odd.attributes] == [each for each, _ in plain.attributes]
    page = report(answer(), name=name)
    page.encode()
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)


def test_names_of_all_scripts_are_shown_as_they_are() -> None:
    """Emoji with their joiners, and letters from right to left, which are set apart from the rest."""
    for name in (NAMES["emoji"], NAMES["arabic"], NAMES["formula"], NAMES["entity"]):
        assert name in Page(report(answer(), name=name)).texts
        assert "bdi" in Page(report(answer(), name=name)).tags


@pytest.mark.parametrize("hours", [0, 24, 96])
def test_the_page_needs_nothing_else(hours: int) -> None:
    """No script, no reference, no style but its own, whose hash is all that its policy lets pass."""
    text = report(answer(hours))
    page = Page(text)
    assert {"script", "link", "img", "iframe", "object", "embed", "a", "use", "image", "form"}.isdisjoint(
        page.tags
    )
    for name, value in page.attributes:
        assert not name.startswith("on")
        assert name not in {"style", "href", "xlink:href", "src", "srcset", "action"}
        assert "://" not in value
    assert not re.search(r"url\(|@import|javascript:", text)
    style = re.search(r"<style>(.*)</style>", text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policies = [value for name, value in page.attributes if name == "content" and "default-src" in value]
    assert policies == [
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    ]


def test_the_figures_are_those_of_the_answer() -> None:
    """Energy, average, coverage, cost; 96 quarters of 250 Wh a day."""
    text = " ".join(Page(report(answer(), name="Roof")).texts)
    for figure in ("96.0 kWh", "24.0 kWh", "1.00 kW", "100 %", "3 requests", "384 of 384 intervals"):
        assert figure in text
    assert "1 Mar 2025 to 4 Mar 2025" in text


def test_gaps_are_told_with_their_reasons() -> None:
    """Where they are, how long, and why; an incomplete answer says so first."""
    gaps = (
        Gap(Window(START, START + 3600), Reason.BEYOND_RETENTION),
        Gap(Window(START + 90_000, START + 97_200), Reason.FAILED),
    )
    text = " ".join(Page(report(answer(gaps=gaps))).texts)
    for told in ("Incomplete", "beyond retention", "failed", "2 gaps", "2 h", "2 Mar 2025, 01:00 to 03:00"):
        assert told in text
    assert "Its request failed." in text


def test_only_the_longest_gaps_are_listed() -> None:
    """The others are counted."""
    gaps = tuple(Gap(Window(START + n * 7200, START + n * 7200 + 900), Reason.NO_ROW) for n in range(20))
    text = " ".join(Page(report(answer(gaps=gaps))).texts)
    assert "20 gaps; 8 shorter ones are not listed" in text


@pytest.mark.parametrize(
    ("part", "of", "shown"),
    [(4, 35_040, "< 0.1 %"), (35_039, 35_040, "99.9 %"), (0, 96, "0 %"), (48, 96, "50.0 %")],
)
def test_a_share_is_never_rounded_to_all_or_nothing(part: int, of: int, shown: str) -> None:
    """The row of the reasons: so many intervals are missing."""
    hours = of // 4
    gaps = (Gap(Window(START, START + part * 900), Reason.NO_ROW),) if part else ()
    text = " ".join(Page(report(answer(hours, gaps=gaps))).texts)
    assert shown in text or not part


@pytest.mark.parametrize("wh", [None, 0.0, -5.0])
def test_an_answer_without_energy_has_a_page(wh: float | None) -> None:
    """Of nulls only, of zeros, or of the little that a meter takes itself."""
    text = " ".join(Page(report(answer(wh=wh))).texts)
    assert ("-1.9 kWh" if wh else "0.0 kWh") in text
    assert ("no data, 0 of 96 values" in text) == (wh is None)


def test_an_answer_of_nothing_has_a_page() -> None:
    """Of a range without a length."""
    empty = RgmStats.empty(1765, Coverage(Window(START, START), 900))
    text = " ".join(Page(report(empty)).texts)
    assert "nothing exists of this range" in text
    assert "System 1765" in text


@pytest.mark.parametrize("reason", [Reason.NO_DEVICE, Reason.FAILED])
def test_a_range_without_a_row_has_no_pictures(reason: Reason) -> None:
    """Empty ones would have scales that mean nothing; why there is nothing is told."""
    window = Window(START, START + 4 * 86_400)
    empty = RgmStats.empty(1765, Coverage(window, 900, (Gap(window, reason),)))
    page = report(empty)
    assert "Energy per day" not in page
    assert "hour by hour" not in page
    assert reason.value.replace("_", " ") in page


def test_days_are_those_of_the_zone_that_is_named() -> None:
    """By default the system's; UTC where it is not known; a wrong name is told."""
    assert "local time of America/Los_Angeles" in report(answer())
    assert "local time of UTC" in report(answer(zone=None))
    assert "local time of UTC" in report(answer(zone="Mars/Olympus"))  # the service's word
    assert answer(zone="Mars/Olympus")._repr_html_()
    assert "local time of Asia/Kathmandu" in report(answer(), timezone="Asia/Kathmandu")
    with pytest.raises(InputError, match="IANA"):
        report(answer(), timezone="Mars/Olympus")


def test_a_night_without_rows_is_no_gap_in_a_day() -> None:
    """Microinverters have rows by daylight only; a gap by day is one."""
    window = Window(START, START + 4 * 86_400)
    ends = [
        e for e in range(window.start + 300, window.end + 1, 300) if 6 * 3600 < (e - START) % 86_400 <= 64_800
    ]
    rows = Series.of(StatsInterval, ends, [1.0] * len(ends), [240.0] * len(ends), [20.0] * len(ends))
    nights = [Window(START, START + 21_600)]
    nights += [Window(START + n * 86_400 + 64_800, START + n * 86_400 + 108_000) for n in range(3)]
    nights += [Window(window.end - 21_600, window.end)]
    gaps = tuple(Gap(night, Reason.NO_ROW) for night in nights)
    stats: IntervalStats[object] = Stats(
        1765, 9, None, window, "America/Los_Angeles", rows, coverage=Coverage(window, 300, gaps)
    )
    assert "Days with gaps are pale" not in report(stats)
    late = evolve(
        stats, coverage=evolve(stats.coverage, gaps=(*gaps[:-1], Gap(nights[-1], Reason.NOT_REPORTED_YET)))
    )
    assert "Days with gaps are pale" in report(late)
    assert "1 gap beside those of the nights" in " ".join(Page(report(late)).texts)


@pytest.mark.parametrize(
    ("day", "quarters"), [(date(2025, 3, 9), 92), (date(2025, 3, 10), 96), (date(2025, 11, 2), 96)]
)
def test_a_profile_follows_the_clock(day: date, quarters: int) -> None:
    """The hour that is skipped has no value; of the one that is repeated there is the mean."""
    zone = time_zone("America/Los_Angeles")
    begin = int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())
    end = int(datetime(day.year, day.month, day.day + 1, tzinfo=zone).timestamp())
    ends = list(range(begin + 900, end + 1, 900))
    first = datetime(2025, 11, 2, 8, tzinfo=UTC).timestamp()  # 1 o'clock for the first time
    values = [100.0 if first < each <= first + 3600 else 300.0 for each in ends]
    window = Window(begin, end)
    rows = Series.of(RgmInterval, ends, [1.0] * len(ends), values)
    found = profile(RgmStats(1, 1, None, window, None, rows, (), Coverage(window, 900)), zone)
    assert found.days == (day,)
    (watts,) = found.watts
    assert len([each for each in watts if each is not None]) == quarters
    assert watts[4:8] == ((800.0,) * 4 if day.month == 11 else (1200.0,) * 4)
    assert found.peak == 1200.0


@pytest.mark.parametrize(
    ("shown", "texts"),
    [
        (
            answer(24),
            ["RgmStats", "system 1765", "1 Mar 2025", "24.0 kWh", "Complete: 96 of 96 intervals", "1 kW"],
        ),
        (answer(96), ["1 Mar 2025 to 4 Mar 2025", "96.0 kWh", "3 requests, 0 from cache", "30 kWh"]),
        (answer(24, zone=None), ["1 Mar 2025 to 2 Mar 2025"]),
        (
            answer(gaps=(Gap(Window(START, START + 3600), Reason.FAILED),)),
            ["Incomplete: 380 of 384 intervals (failed 4)"],
        ),
        (RgmStats.empty(1765, Coverage(Window(START, START), 900)), ["none", "nothing exists of this range"]),
        (
            EnergyLifetime(1765, date(2025, 3, 1), (1000, None, 3500)),
            ["EnergyLifetime", "1 Mar 2025 to 3 Mar 2025", "4.5 kWh", "3 of 3 days", "4 kWh"],
        ),
        (EnergyLifetime.empty(1765, Reason.NO_DEVICE, None), ["none", "0 of 0 days (no device 0)"]),
    ],
)
def test_a_notebook_shows_an_answer(shown: RgmStats | EnergyLifetime, texts: list[str]) -> None:
    """Its range, energy, coverage and cost, and a picture, without a script or a reference."""
    fragment = shown._repr_html_()
    page = Page(fragment)
    found = " ".join(page.texts)
    assert [text for text in texts if text not in found] == []
    assert set(page.tags) <= {"div", "table", "tbody", "tr", "th", "td", "svg", "path", "text"}
    assert ("svg" in page.tags) == ("none" not in page.texts)
    assert not re.search(r"://|url\(|\son\w+=", fragment)


def lifetime(*production: int | None, **known: object) -> EnergyLifetime:
    """Return the energies of days from 30 Dec 2024 on."""
    return EnergyLifetime(1765, date(2024, 12, 30), production, **known)


def rows_of(text: str) -> list[list[str]]:
    """Return the texts of the cells of all rows of a page's tables."""
    rows = re.findall(r"<tr>(.*?)</tr>", text, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[" ".join("".join(Page(cell).texts).split()) for cell in row] for row in cells]


def test_a_lifetime_is_shown_by_months_and_years() -> None:
    """A bar for each month, a row for each year, and their sums."""
    page = report(lifetime(*[1000] * 2, *[2000] * 31, *[3000] * 28, receipt=Receipt(sent=1)), name="Roof")
    rows = rows_of(page)
    assert ["2024", *[""] * 11, "2.0", "2.0"] in rows
    assert ["2025", "62.0", "84.0", *[""] * 10, "146.0"] in rows
    assert ["Total", *[""] * 12, "148.0"] in rows
    text = " ".join(Page(page).texts)
    for told in (
        "Dec 2024: 2.0 kWh, 2 of 2 days",
        "Feb 2025: 84.0 kWh, 28 of 28 days",
        "30 Dec 2024 to 28 Feb 2025 · system 1765, local days",
        "61 of 61 days have a figure",
        "Best month",
        "Energy produced, day by day",
        "28 Feb 2025: 3.00 kWh",
    ):
        assert told in text
    assert "local days of Europe/Berlin" in report(lifetime(1), timezone="Europe/Berlin")


def test_a_day_without_a_figure_is_no_zero() -> None:
    """It makes its month pale, as do days that were asked for and did not come."""
    asked = days_of_utc(date(2025, 1, 2), 3)
    page = report(lifetime(1000, None, 0, 3000, missing=(Gap(asked, Reason.NOT_REPORTED_YET),)))
    text = " ".join(Page(page).texts)
    assert "Dec 2024: 1.0 kWh, 1 of 2 days" in text
    assert "Jan 2025: 3.0 kWh, 2 of 4 days" in text
    assert "Months with days without a figure are pale" in text
    assert "2 Jan 2025 to 4 Jan 2025" in text
    assert ["not reported yet It lies after what the system had reported when asked.", "3 days"] in [
        row[:2] for row in rows_of(page)
    ]


@pytest.mark.parametrize(
    ("wh", "unit", "shown"),
    [
        (32_000, "kWh", "992.0"),
        (33_000, "kWh", "1,023"),
        (4_000_000, "MWh", "124.0"),
        (None, "kWh", "no data"),
    ],
)
def test_figures_of_a_table_of_years_fit_a_sheet(wh: int | None, unit: str, shown: str) -> None:
    """January of a small roof, and of a power plant."""
    page = report(lifetime(None, None, *[wh] * 31))
    assert ["2025", shown, *[""] * 11] in [row[:-1] for row in rows_of(page)]
    assert f"<caption>{unit}</caption>" in page


def test_a_long_lifetime_has_no_bar_for_each_day() -> None:
    """Fifteen years: 181 months, and labels of the years."""
    page = report(lifetime(*[1000] * 5_500))
    assert len(re.findall('<rect[^>]*class="hit"', page)) == 182
    assert "Energy per day" not in page
    assert len(page.encode()) < 100_000
    labels = re.findall(r'class="column[^>]*>(\d+)<', page)
    assert labels[:2] == ["2025", "2026"] or labels[:2] == ["2025", "2027"]


def test_batteries_have_two_figures_a_day() -> None:
    """Each has its bars and its table."""
    text = " ".join(Page(report(BatteryLifetime(1, date(2025, 1, 1), (1000, 3000), (500, 700)))).texts)
    for told in ("Energy, taken in", "Energy, given", "Energy per month, taken in", "4.0 kWh", "1.2 kWh"):
        assert told in text


def test_a_lifetime_of_nothing_has_a_page() -> None:
    """Without a day there is no picture."""
    text = " ".join(Page(report(EnergyLifetime.empty(1765, Reason.NO_DEVICE, None))).texts)
    assert "no day · system 1765" in text
    assert "no device" in text


def several(*answers: RgmStats | EnergyLifetime, failed: str = "") -> str:
    """Return a page about these answers, and a system that failed."""
    page = SystemsReport()
    for number, each in enumerate(answers, 1):
        page.add(each, name=f"Roof {number}")
    if failed:
        page.add_failure(99, failed, name="<b>Shed</b>", receipt=Receipt(sent=2))
    return b"".join(page.pieces()).decode()


def test_several_systems_have_a_table_and_a_section_each() -> None:
    """Its links lead to the sections; energies, coverage and costs add up."""
    gap = Gap(Window(START, START + 3600), Reason.FAILED)
    page = several(answer(), evolve(answer(gaps=(gap,)), system_id=7), lifetime(500))
    rows = rows_of(page)
    assert ["Roof 1system 1765, energy delivered, by revenue-grade meters", "96.0", "", "100 %", "3"] in rows
    assert [*["95.0", "", "99.0 % incomplete", "3"]] in [row[1:] for row in rows]
    links = re.findall(r'href="#([^"]+)"', page)
    assert [each for each in links if each != "systems"] == ["system-1765", "system-7", "system-1765-2"]
    assert [page.count(f'id="{each}"') for each in dict.fromkeys(links)] == [1] * 4
    assert page.index('id="systems"') < page.index('id="system-1765"') < page.index('id="system-7"')
    assert "Energy of 3 systems" in page
    # Energies of different kinds are not added up.
    assert ["Total", "", "", "99.5 %", "6"] in rows
    assert ["Total", "191.0", "", "99.5 %", "6"] in rows_of(several(answer(), answer(gaps=(gap,))))


def test_a_system_that_failed_is_a_row_and_a_section() -> None:
    """What had arrived of another before its error is shown beside it."""
    page = several(answer(), failed="404 <i>no such system")
    assert ["<b>Shed</b>system 99", "", "", "failed", "2"] in rows_of(page)
    text = " ".join(Page(page).texts)
    assert "404 <i>no such system" in text
    assert "1 failed" in text
    assert {"b", "i"}.isdisjoint(Page(page).tags)
    both = SystemsReport()
    both.add(answer(), error="the month's quota is used up")
    shown = b"".join(both.pieces()).decode()
    assert "what had arrived" in shown
    assert [*["96.0", "", "100 % failed", "3"]] in [row[1:] for row in rows_of(shown)]
    assert len(both) == 1


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_among_several_is_a_text_and_nothing_else(name: str) -> None:
    """In the table, in the links and in the sections."""
    pages = []
    for each in ("plain", name):
        page = SystemsReport()
        page.add(answer(), name=each)
        page.add_failure(2, each, name=each)
        pages.append(b"".join(page.pieces()).decode())
    plain, odd = map(Page, pages)
    assert odd.tags == plain.tags
    assert [each for each in odd.attributes if each[0] != "aria-label"] == [
        each for each in plain.attributes if each[0] != "aria-label"
    ]
    assert {value[0] for key, value in odd.attributes if key == "href"} == {"#"}
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", pages[1])


def test_a_page_of_no_system_says_so() -> None:
    """It is empty, and whole."""
    assert "Energy of 0 systems" in several()


async def test_a_year_is_a_page_of_moderate_size() -> None:
    """All its days and quarters are in less than 300 kB; its energy is the service's."""
    world = World()
    async with world.client() as client:
        await client.systems()
        year = await client.rgm_stats(world.system, **world.days(365))
    page = report(year, name="Roof")
    assert len(page.encode()) < 300_000
    first = year.intervals[0].end_at.timestamp() - 900
    truth = world.emulator.truth.energy(world.system, first, year.intervals[-1].end_at.timestamp())
    assert f"{truth / 1000:,.1f}" in " ".join(Page(page).texts)
    assert len(re.findall('<rect[^>]*class="hit"', page)) == 366
