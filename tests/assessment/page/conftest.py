"""Pages in a real browser: Debian's chromium without a window, driven by playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hsiattn.assessment import AccuracyReport, Calibration
from hsiattn.assessment.supplement import Pictures, Supplement
from hsiattn.classes import ClassTable

UTM = (10.0, 0.0, 360000.0, 0.0, -10.0, 5810000.0)


def find_chromium() -> str | None:
    """The browser's program: HSIATTN_CHROMIUM, else one of the usual names."""
    named = os.environ.get("HSIATTN_CHROMIUM")
    names = [named] if named else ["chromium", "chromium-browser", "google-chrome"]
    return next((found for name in names if (found := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """One browser for all tests of a process."""
    program = find_chromium()
    if program is None:
        pytest.skip("there is no chromium; install it, or name another one with HSIATTN_CHROMIUM")
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        except Error as error:
            pytest.skip(f"{program} does not start: {str(error).splitlines()[0]}")
        yield started
        started.close()


@dataclass
class Opened:
    """A page in the browser, and what went wrong in it."""

    page: Any
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def drawn(self, which: str = "left-canvas") -> np.ndarray:
        """Pixels (h, w, 4) of a canvas, before it is scaled to the screen."""
        script = """(id) => { const c = document.getElementById(id);
            const data = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
            let text = ""; for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
            return [c.height, c.width, btoa(text)]; }"""  # noqa: E501
        import base64

        self.settle()
        height, width, text = self.page.evaluate(script, which)
        return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)

    def screen(self) -> bytes:
        """A picture of the stage as it is on the screen."""
        self.settle()
        return self.page.locator("#stage").screenshot()

    def settle(self) -> None:
        """Wait until what was asked for is painted: two frames."""
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """The function that opens a page from a file, with the network off."""
    contexts = []

    def open_file(text: str, *, width: int = 1200, height: int = 900, **options: Any) -> Opened:
        path = tmp_path / f"report {len(contexts)}.html"
        path.write_text(text, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_offline(True)
        context.set_default_timeout(20_000)
        opened = Opened(context.new_page())
        opened.page.on("console", lambda message: opened.faults.append(message.text))
        opened.page.on("pageerror", lambda error: opened.faults.append(str(error)))
        opened.page.on("request", lambda request: opened.requests.append(request.url))
        opened.page.goto(path.as_uri())
        if options.get("java_script_enabled", True):
            opened.page.wait_for_selector("html[data-ready]", state="attached")
        return opened

    yield open_file
    for context in contexts:
        context.close()


def make_report(
    names: list[str], *, side: int = 60, noise: float = 0.2, seed: int = 0, confidence: bool = True, split: bool = True,
    quicklook: bool = True, transform: tuple[float, ...] = UTM, geographic: bool = False,
) -> AccuracyReport:  # fmt: skip
    """A report with pictures: square fields as reference, the same with noise as map, its first row unclassified."""
    rng, count = np.random.default_rng(seed), len(names)
    rows, columns = np.indices((side, side))
    truth = ((rows // 10 * 3 + columns // 10) % count + 1).astype(np.uint8)
    mapped = np.where(rng.random(truth.shape) < noise, rng.integers(1, count + 1, truth.shape), truth).astype(np.uint8)
    mapped[0] = 0
    truth[:, -1] = 0
    roles = np.where(truth == 0, 0, np.where(columns < side // 4, 1, np.where(columns < side // 3, 4, 3)))
    sure = np.where(mapped == 0, 255, rng.integers(0, 101, truth.shape)).astype(np.uint8)
    look = np.full((side, side, 4), 255, np.uint8)
    look[..., 0] = (rows * 255 // side).astype(np.uint8)
    tested = roles == 3 if split else truth > 0
    confusion = np.zeros((count, count), np.int64)
    found = tested & (mapped > 0)
    np.add.at(confusion, (truth[found] - 1, mapped[found] - 1), 1)
    pictures = Pictures(
        mapped, truth, 1, side, side, transform, "WGS 84" if geographic else "WGS 84 / UTM zone 33N", geographic,
        sure if confidence else None, roles.astype(np.uint8) if split else None, look if quicklook else None,
        "true colour",
    )  # fmt: skip
    identity = {"scene": "scene.tif", "map": "map.tif", "recipe": "lda", "seed": 0, "created": "2026-11-28T20:00:00Z"}
    return AccuracyReport(
        confusion,
        ClassTable.from_records({"code": code, "name": name} for code, name in enumerate(names, start=1)),
        np.bincount(truth[tested & (mapped == 0)] - 1, minlength=count),
        leakage=0.1,
        window=5,
        calibration=Calibration.measured(sure[found] / 100, (mapped == truth)[found]),
        resamples=50,
        supplement=Supplement({"identity": identity}, lambda: pictures),  # type: ignore[typeddict-item]
    )


@pytest.fixture(scope="session")
def report_maker() -> Callable[..., AccuracyReport]:
    """The function that makes a report with pictures."""
    return make_report


@pytest.fixture(scope="session")
def three(report_maker: Callable[..., AccuracyReport]) -> AccuracyReport:
    """A report on three classes."""
    return report_maker(["maize", "open water", "bare soil"])


@pytest.fixture(scope="session")
def three_page(three: AccuracyReport) -> str:
    """The page of that report."""
    return three.to_html()
