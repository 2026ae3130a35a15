"""The page in a real browser, opened from a file without network."""

from __future__ import annotations

import re

import numpy as np
import pytest

from hsiattn.classes import parse_color


@pytest.fixture
def opened(open_page, three_page):
    return open_page(three_page)


def test_it_opens_without_network_and_without_a_fault(opened):
    opened.page.mouse.wheel(0, 4000)
    opened.settle()
    assert opened.faults == []
    assert all(url.startswith(("file:", "data:")) for url in opened.requests)
    assert opened.page.locator("#stage").is_visible()
    assert not opened.page.locator("#pictures").is_visible()


def test_the_canvases_show_map_and_reference_exactly(opened, three):
    pictures = three.supplement.pictures()
    palette = np.zeros((256, 4), np.uint8)
    for place, item in enumerate(three.classes, start=1):
        palette[place] = (*item.color, 255)
    assert np.array_equal(opened.drawn("left-canvas"), palette[pictures.land_cover])
    assert np.array_equal(opened.drawn("right-canvas"), palette[pictures.reference])


def test_the_divider_moves_by_mouse_and_by_keyboard(opened):
    opened.page.locator("#stage").scroll_into_view_if_needed()
    divider, before = opened.page.locator("#divider"), opened.screen()
    box = opened.page.locator("#stage").bounding_box()
    middle = box["y"] + box["height"] / 2
    opened.page.mouse.move(box["x"] + box["width"] / 2, middle)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + box["width"] * 0.25, middle, steps=4)
    opened.page.mouse.up()
    dragged = opened.screen()
    assert divider.get_attribute("aria-valuenow") == "25"
    assert dragged != before
    divider.press("End")
    opened.settle()
    assert divider.get_attribute("aria-valuenow") == "100"
    divider.press("ArrowLeft")
    opened.settle()
    assert divider.get_attribute("aria-valuenow") == "98"
    assert opened.screen() != dragged


def test_a_class_is_switched_off_and_on(opened, three):
    color = np.array((*three.classes.colors[1], 255), np.uint8)
    before = opened.drawn()
    assert (before == color).all(axis=-1).any()
    opened.page.get_by_label("open water", exact=True).uncheck()
    off = opened.drawn()
    shown = (before == color).all(axis=-1)
    assert not off[shown].any()
    assert np.array_equal(off[~shown], before[~shown])
    opened.page.locator("#all-classes").click()
    assert np.array_equal(opened.drawn(), before)
    opened.page.locator("#no-classes").click()
    assert not opened.drawn().any()


def test_a_cell_of_the_matrix_lights_up_its_pixels_and_puts_them_out_again(opened, three):
    pictures, before, screen = three.supplement.pictures(), opened.drawn(), opened.screen()
    cell = opened.page.locator('td[data-row="1"][data-column="3"] button')
    cell.click()
    lit = (pictures.reference == 1) & (pictures.land_cover == 3) & (pictures.split == 3)
    assert int(cell.inner_text()) == lit.sum() > 0
    after = opened.drawn()
    classified = pictures.land_cover > 0
    assert np.array_equal(after[..., 3] == 255, lit)
    assert (after[classified & ~lit][:, 3] < 40).all()
    assert opened.screen() != screen
    said = opened.page.locator("#matrix-selection").inner_text()
    assert f"Shown: {lit.sum()} pixels of maize in the reference, bare soil on the map." in said
    assert cell.get_attribute("aria-pressed") == "true"
    cell.click()
    assert np.array_equal(opened.drawn(), before)
    assert cell.get_attribute("aria-pressed") == "false"
    assert opened.page.locator("#matrix-selection").inner_text() == ""


def test_pixels_that_the_map_left_out_light_up_too(opened, three):
    pictures = three.supplement.pictures()
    opened.page.locator('td[data-row="2"][data-column="0"] button').click()
    missed = (pictures.reference == 2) & (pictures.land_cover == 0) & (pictures.split == 3)
    assert f"Shown: {missed.sum()} pixels of open water" in opened.page.locator("#selection").inner_text()
    assert np.array_equal(opened.drawn("right-canvas")[..., 3] == 255, missed)


def test_cells_are_reached_by_keyboard_alone(opened):
    first = opened.page.locator("#matrix button").first
    first.focus()
    opened.page.keyboard.press("ArrowRight")
    opened.page.keyboard.press("ArrowDown")
    opened.page.keyboard.press("Enter")
    pressed = opened.page.locator('#matrix button[aria-pressed="true"]')
    assert pressed.count() == 1
    assert pressed.locator("..").get_attribute("data-row") == "2"
    assert pressed.locator("..").get_attribute("data-column") == "2"
    assert opened.page.locator('#matrix button[tabindex="0"]').count() == 1


def test_only_errors_of_the_test_are_shown(opened, three):
    pictures = three.supplement.pictures()
    opened.page.get_by_label("Errors only").check()
    wrong = (pictures.split == 3) & (pictures.land_cover != pictures.reference)
    assert np.array_equal(opened.drawn("right-canvas")[..., 3] == 255, wrong)


def test_confidence_fades_the_map(opened, three):
    pictures = three.supplement.pictures()
    opened.page.get_by_label("Fade by confidence").check()
    alpha = opened.drawn()[..., 3].astype(int)
    known = pictures.confidence != 255
    sure, unsure = alpha[known & (pictures.confidence > 97)], alpha[known & (pictures.confidence < 3)]
    assert sure.min() > 250
    assert unsure.max() < 60


def test_any_layer_stands_on_either_side(opened, three):
    pictures = three.supplement.pictures()
    opened.page.select_option("#left-layer", "split")
    drawn = opened.drawn()
    assert np.array_equal(drawn[..., 3] > 0, pictures.split > 0)
    assert opened.page.locator("#split-legend").is_visible()
    opened.page.select_option("#left-layer", "confidence")
    assert np.array_equal(opened.drawn()[..., 3] > 0, pictures.confidence != 255)
    before = opened.screen()
    opened.page.select_option("#left-layer", "quicklook")
    opened.settle()
    assert not opened.page.locator("#left-canvas").is_visible()
    assert opened.screen() != before


def test_zoom_by_wheel_buttons_and_keyboard(opened):
    stage, level = opened.page.locator("#stage"), opened.page.locator("#zoom-level")
    stage.hover(position={"x": 300, "y": 200})
    opened.page.mouse.wheel(0, -300)
    opened.settle()
    assert int(level.inner_text().split()[0]) > 130
    opened.page.locator("#zoom-fit").click()
    opened.settle()
    assert level.inner_text() == "100 %"
    opened.page.locator("#zoom-in").click()
    opened.settle()
    assert level.inner_text() == "150 %"
    stage.focus()
    opened.page.keyboard.press("-")
    opened.settle()
    assert level.inner_text() == "100 %"
    before = opened.screen()
    opened.page.keyboard.press("+")
    zoomed = opened.screen()
    assert zoomed != before
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    opened.page.mouse.move(box["x"] + 300, box["y"] + 200)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + 360, box["y"] + 160, steps=3)
    opened.page.mouse.up()
    assert opened.screen() != zoomed


def test_a_pixel_is_read_by_mouse_and_by_keyboard(opened, three):
    pictures, names = three.supplement.pictures(), three.classes.names
    stage, readout = opened.page.locator("#stage"), opened.page.locator("#readout")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    side = min(box["width"], box["height"]) / 60
    opened.page.mouse.move(box["x"] + box["width"] / 2 + 0.5 * side, box["y"] + box["height"] / 2 + 10.5 * side)
    opened.page.mouse.move(box["x"] + box["width"] / 2 - 9.5 * side, box["y"] + box["height"] / 2 + 10.5 * side)
    row, column = 40, 20
    text = readout.inner_text()
    assert f"Row {row} · Column {column}" in text
    assert f"Map {names[pictures.land_cover[row, column] - 1]} · " in text
    assert f"Reference {names[pictures.reference[row, column] - 1]} · " in text
    assert f"x {360000 + 10 * 20.5:.0f}" in text
    assert f"y {5810000 - 10 * 40.5:.0f}" in text
    shown = int(re.search(r"Confidence about (\d+) %", text).group(1))
    assert abs(shown - int(pictures.confidence[row, column])) <= 3
    stage.focus()
    opened.page.keyboard.press("ArrowRight")  # the middle first, from there on by pixels
    assert "Row 30 · Column 30" in readout.inner_text()
    opened.page.keyboard.press("Shift+ArrowRight")
    opened.page.keyboard.press("ArrowUp")
    assert "Row 29 · Column 40" in readout.inner_text()
    assert readout.get_attribute("aria-live") == "polite"


def test_degrees_are_labelled(open_page, report_maker):
    degrees = (0.0003, 0.0, -12.5, 0.0, -0.0003, 41.0)
    opened = open_page(report_maker(["a", "b"], transform=degrees, geographic=True).to_html())
    opened.page.locator("#stage").focus()
    opened.page.keyboard.press("ArrowRight")
    assert "Longitude 12.49085° W · Latitude 40.99085° N" in opened.page.locator("#readout").inner_text()


def test_the_table_of_classes_sorts(opened, three):
    heads = opened.page.locator("table.sortable").first.locator("thead th")
    names = opened.page.locator("table.sortable").first.locator("tbody th")
    values = [row.producers_accuracy.value for row in three.per_class]
    descending = [three.classes.names[place] for place in np.argsort(values)[::-1]]
    button = heads.nth(1).locator("button")
    button.click()
    assert [text.strip() for text in names.all_inner_texts()] == descending
    assert heads.nth(1).get_attribute("aria-sort") == "descending"
    button.press("Enter")
    assert [text.strip() for text in names.all_inner_texts()] == descending[::-1]
    assert heads.nth(1).get_attribute("aria-sort") == "ascending"
    heads.nth(0).locator("button").click()
    assert [text.strip() for text in names.all_inner_texts()] == sorted(three.classes.names)
    assert heads.nth(1).get_attribute("aria-sort") is None


def test_the_matrix_shows_shares(opened, three):
    cell = opened.page.locator('td[data-row="1"][data-column="3"]')
    counts, missed = three.confusion, three.unclassified
    opened.page.get_by_label("% of the reference (row)").check()
    assert cell.inner_text() == f"{100 * counts[0, 2] / (counts[0].sum() + missed[0]):.1f}"
    opened.page.get_by_label("% of the map (column)").check()
    assert cell.inner_text() == f"{100 * counts[0, 2] / counts[:, 2].sum():.1f}"
    opened.page.get_by_label("Pixels", exact=True).check()
    assert cell.inner_text() == str(counts[0, 2])


@pytest.mark.parametrize("width", [1400, 420])
def test_axe_finds_no_fault(open_page, three_page, width):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    opened = open_page(three_page, width=width)
    opened.page.locator('td[data-row="1"][data-column="3"] button').click()
    opened.settle()
    found = axe.run(opened.page).response["violations"]
    assert [(fault["id"], fault["impact"], fault["nodes"][0]["html"]) for fault in found] == []
    wide = opened.page.evaluate("() => document.documentElement.scrollWidth")
    assert wide <= width  # tables scroll by themselves, the page does not


def test_everything_is_reached_by_tab_and_shows_its_focus(opened):
    wanted = {"left-layer", "right-layer", "errors-only", "fade", "opacity", "zoom-in", "stage", "divider"}
    reached = set()
    for _ in range(40):
        opened.page.keyboard.press("Tab")
        name, outline = opened.page.evaluate(
            """() => { const e = document.activeElement, s = getComputedStyle(e);
                const g = e.querySelector(".grip");
                return [e.id, s.outlineStyle !== "none" || (g && getComputedStyle(g).boxShadow !== "none")]; }"""
        )
        reached.add(name)
        assert outline
    assert wanted <= reached


def test_without_javascript_pictures_tables_and_figures_stand_there(open_page, three, three_page):
    opened = open_page(three_page, java_script_enabled=False)
    assert not opened.page.locator("#viewer").is_visible()
    for name in ("map", "reference", "confidence", "split", "quicklook"):
        picture = opened.page.locator(f"#layer-{name}")
        assert picture.is_visible()
        assert picture.bounding_box()["width"] > 100
        assert len(picture.get_attribute("alt")) > 10
    assert opened.page.locator("#matrix td.cell").first.inner_text() == str(three.confusion[0, 0])
    assert opened.page.get_by_text("Choose a cell").count() == 1
    assert not opened.page.get_by_text("Choose a cell").is_visible()


def test_names_that_are_markup_stay_text(open_page, report_maker):
    names = ["</script><script>window.broken = 1</script>", "<img src=x onerror='window.broken = 1'>", '"&amp;\u2028']
    opened = open_page(report_maker(names).to_html())
    assert opened.page.evaluate("() => window.broken") is None
    assert opened.faults == []
    shown = opened.page.locator(".switches li").all_inner_texts()
    assert [text.strip() for text in shown[:2]] == names[:2]
    opened.page.locator('td[data-row="1"][data-column="2"] button').click()
    assert names[0] in opened.page.locator("#matrix-selection").inner_text()


def test_one_class_and_no_layer_beside_map_and_reference(open_page, report_maker):
    report = report_maker(["water"], confidence=False, split=False, quicklook=False)
    opened = open_page(report.to_html(), width=420)
    assert opened.faults == []
    assert opened.page.locator("#left-layer option").count() == 2
    assert opened.page.locator("#fade, #opacity").count() == 0
    opened.page.locator('td[data-row="1"][data-column="1"] button').click()
    assert (opened.drawn()[1:, :-1, 3] == 255).all()


def test_without_pictures_the_rest_works(open_page, three):
    from hsiattn.assessment.page import render_page

    opened = open_page(render_page(three.to_dict()))
    assert opened.faults == []
    assert opened.page.locator("#stage, #matrix button").count() == 0
    opened.page.get_by_label("% of the reference (row)").check()
    opened.page.locator("button.sort").first.click()
    assert opened.page.locator('th[aria-sort="ascending"]').count() == 1


def test_it_prints(opened, tmp_path):
    opened.page.emulate_media(media="print")
    assert not opened.page.locator("#viewer").is_visible()
    assert opened.page.locator("#layer-map").is_visible()
    content = opened.page.pdf()
    assert content.startswith(b"%PDF")
    assert len(content) > 20_000


def test_a_large_noisy_map_stays_small_and_quick_to_use(open_page, report_maker):
    report = report_maker([f"class {code}" for code in range(1, 17)], side=2000, noise=0.3)
    text = report.to_html()
    assert len(text.encode()) < 5_000_000
    opened = open_page(text)
    assert opened.faults == []
    before = opened.screen()
    opened.page.get_by_label("class 3", exact=True).uncheck()
    off = opened.screen()
    assert off != before
    opened.page.locator('td[data-row="1"][data-column="2"] button').click()
    assert opened.screen() != off
    frames = opened.page.evaluate(
        """async () => { const stage = document.getElementById("stage"); let worst = 0;
            for (let i = 0; i < 10; i++) { const start = performance.now();
                stage.focus(); stage.dispatchEvent(new KeyboardEvent("keydown", { key: i % 2 ? "-" : "+", bubbles: true }));
                worst = Math.max(worst, performance.now() - start); }
            return worst; }"""  # noqa: E501
    )
    assert (
        frames < 2000
    )  # handlers leave the work to the compositor: milliseconds, seconds only where something is wrong


def test_colours_are_those_of_the_class_table(opened, three):
    found = opened.page.locator(".switches label .swatch").evaluate_all(
        "(all) => all.map((one) => getComputedStyle(one).backgroundColor)"
    )
    assert found == ["rgb({}, {}, {})".format(*parse_color(item["color"])) for item in three.classes.to_records()]
