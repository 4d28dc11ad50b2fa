"""The figures of one run, and the table of them in docs/performance.md."""

import os
import platform
from pathlib import Path
from statistics import median

import attrs

PAGE = Path(__file__).parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- begin: written by make bench -->", "<!-- end: written by make bench -->"
_HEAD = "| what | figure | target | | of |\n|---|---|---|---|---|"


@attrs.frozen
class Row:
    """One figure; ``met`` is None where nothing is promised, ``of`` says what it was made of."""

    what: str
    figure: str
    target: str
    met: bool | None
    of: str

    @property
    def line(self) -> str:
        verdict = {None: "", True: "met", False: "**missed**"}[self.met]
        return f"| {self.what} | {self.figure} | {self.target} | {verdict} | {self.of} |"


@attrs.define
class Results:
    """What was measured so far; ``server`` is the build of the llama-server."""

    rows: list[Row] = attrs.field(factory=list)
    server: str = ""

    def at_most(self, what: str, value: float, target: float, unit: str, of: str) -> None:
        self.rows.append(Row(what, _shown(value, unit), f"≤ {target:g}{unit}", value <= target, of))

    def at_least(self, what: str, value: float, target: float, unit: str, of: str) -> None:
        self.rows.append(Row(what, _shown(value, unit), f"≥ {target:g}{unit}", value >= target, of))

    def found(self, what: str, value: float, unit: str, of: str) -> None:
        self.rows.append(Row(what, _shown(value, unit), "", None, of))

    @property
    def table(self) -> str:
        return "\n".join(
            [f"Measured on {_machine()}, {self.server}.", "", _HEAD, *(row.line for row in self.rows)]
        )

    def write(self, page: Path = PAGE) -> None:
        """Put the table between the marks of the page."""
        text = page.read_text("utf-8")
        before, rest = text.split(BEGIN)
        page.write_text(f"{before}{BEGIN}\n{self.table}\n{END}{rest.split(END)[1]}", "utf-8")


def ms(values: list[float]) -> str:
    """The median of some times and what they lie between: ``52 ms (49-60)``."""
    digits = 0 if median(values) >= 20 else 1
    low, middle, high = (f"{value:.{digits}f}" for value in (min(values), median(values), max(values)))
    return f"{middle} ms ({low}-{high})"


def _shown(value: float, unit: str) -> str:
    digits = 0 if abs(value) >= 20 or float(value).is_integer() else 1 if abs(value) >= 3 and unit else 2
    return f"{value:.{digits}f}{unit}"


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return f"{cores} cores ({_cpu()}), {memory_gib:.0f} GiB, no GPU, Python {platform.python_version()}"


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip().replace("(R)", "").replace("(TM)", "")
    return platform.machine()
