"""The report in a real browser: controls change numbers and pixels, and nothing is logged."""

import shutil
import time

import numpy as np
import pytest

from mmwsss.visualization import write_report

BROWSER, DRIVER = shutil.which('chromium'), shutil.which('chromedriver')
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BROWSER and DRIVER), reason='needs chromium and chromedriver (chromium-driver)'
    ),
]
CLASSES = ['background', 'cat', 'dog']


def samples(count):
    """Photos whose map rises from left to right, so that the threshold moves a border."""
    for index in range(count):
        ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (48, 1))
        gt = (ramp > 0.5).astype(np.uint8) * (1 + index % 2)
        seg = (ramp > (0.3 + 0.1 * (index % 4))).astype(np.uint8) * (1 + index % 2)
        yield dict(
            id=f'photo_{index:03d}',
            image=np.full((48, 64, 3), 128, np.uint8),
            cams=[(CLASSES[1 + index % 2], ramp)],
            tags=[CLASSES[1 + index % 2]],
            gt=gt,
            mask=gt,
            seg=seg,
        )


@pytest.fixture(scope='module')
def page(tmp_path_factory):
    """The browser with a report of 30 images open."""
    webdriver = pytest.importorskip('selenium.webdriver')
    path = tmp_path_factory.mktemp('report') / 'report.html'
    thresholds = [index / 20 for index in range(20)]
    write_report(
        path,
        title='Browser',
        metrics={
            'cam/mIoU': 60.0,
            'cam/best_threshold': 0.5,
            'seg/IoU': {'background': 90.0, 'cat': 20.0, 'dog': 70.0},
        },
        curve=dict(thresholds=thresholds, mIoU=[60 - abs(t - 0.5) * 40 for t in thresholds]),
        training={'classifier': [{'loss': 1.0, 'step': 1}, {'loss': 0.5, 'step': 2}]},
        samples=samples(30),
        num_samples=30,
        classes=CLASSES,
    )
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for option in ('--headless=new', '--no-sandbox', '--disable-gpu', '--window-size=1300,1000'):
        options.add_argument(option)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.get(path.as_uri())
    yield driver
    driver.quit()


def wait_for(condition, seconds=60):
    """Poll until it holds; a loaded machine may take its time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError('the page did not reach the expected state')


COLORED = """
const canvas = document.querySelector('canvas[data-layer=cam]');
const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
let count = 0;
for (let at = 0; at < pixels.length; at += 4) count += Math.abs(pixels[at] - pixels[at + 2]) > 8;
return canvas.dataset.painted ? count : -1;
"""


def set_value(page, name, value, event='input'):
    page.execute_script(
        'const e = document.getElementById(arguments[0]); e.value = arguments[1];'
        'e.dispatchEvent(new Event(arguments[2]));',
        name,
        value,
        event,
    )


def text(page, name):
    return page.execute_script('return document.getElementById(arguments[0]).textContent', name)


def test_the_slider_recolours_masks_and_moves_the_marker(page):
    wait_for(lambda: page.execute_script(COLORED) > 0)
    before = page.execute_script(COLORED)
    assert text(page, 'threshold-miou') == 'mIoU 60.0 %'
    set_value(page, 'threshold-slider', 0.8)
    wait_for(lambda: 0 <= page.execute_script(COLORED) < before)
    assert text(page, 'threshold-value') == '0.80'
    assert text(page, 'threshold-miou') == 'mIoU 48.0 %'
    marker = page.execute_script(
        "return document.getElementById('threshold-plot').data.at(-1).x[0]"
    )
    assert marker == pytest.approx(0.8)


def test_images_are_filtered_ordered_and_paged(page):
    shown = "return [...document.querySelectorAll('#browser h3')].map((e) => e.textContent)"
    assert len(page.execute_script(shown)) == 12 and text(page, 'count') == '30 of 30 images'
    scores = page.execute_script(
        "return [...document.querySelectorAll('#browser .score')].map((e) => e.textContent)"
    )
    worst = [float(score.rpartition('segmentation ')[2]) for score in scores]
    assert worst == sorted(worst)
    page.execute_script("document.querySelectorAll('#pages button')[2].click()")
    assert len(page.execute_script(shown)) == 6
    set_value(page, 'filter-class', 'cat', 'change')
    assert text(page, 'count') == '15 of 30 images'
    set_value(page, 'filter-error', 'confused', 'change')
    assert text(page, 'count') == '0 of 30 images'
    for name in ('filter-class', 'filter-error'):
        set_value(page, name, '', 'change')


def test_classes_are_sorted(page):
    cells = "return [...document.querySelectorAll('#class-table td:first-child')].map("
    cells += '(e) => e.textContent)'
    assert page.execute_script(cells) == CLASSES
    page.execute_script("document.querySelectorAll('#class-table th')[1].click()")
    assert page.execute_script(cells) == ['cat', 'dog', 'background']


def test_keyboard(page):
    heading = "return document.querySelector('#viewer h3')?.textContent"
    page.execute_script("document.querySelector('#browser canvas').click()")
    first = page.execute_script(heading)
    press = "document.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0]}))"
    page.execute_script(press, 'ArrowRight')
    assert first and page.execute_script(heading) != first
    page.execute_script(press, 'ArrowLeft')
    assert page.execute_script(heading) == first
    page.execute_script("document.getElementById('viewer').close()")


def test_nothing_is_wrong_in_the_console(page):
    entries = [entry for entry in page.get_log('browser') if entry['level'] == 'SEVERE']
    assert entries == []


def test_a_narrow_screen_does_not_scroll_sideways(page):
    page.set_window_size(500, 900)
    wait_for(
        lambda: page.execute_script(
            'return document.documentElement.scrollWidth <= window.innerWidth + 1'
        )
    )
