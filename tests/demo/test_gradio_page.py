"""The page in a real browser: a photo goes up, tags are ticked, the slider cuts, the mask comes
down.
"""

import io
import shutil
import urllib.request

import numpy as np
import pytest
from PIL import Image

from tests.demo.test_gradio_app import app, viewer  # noqa: F401  fixtures
from tests.visualization.test_report_browser import wait_for

BROWSER, DRIVER = shutil.which('chromium'), shutil.which('chromedriver')
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (BROWSER and DRIVER), reason='needs chromium and chromedriver (chromium-driver)'
    ),
]
SENTENCE = "return [...document.querySelectorAll('.prose')].map((e) => e.textContent).join(' ')"
LINK = 'return document.querySelector(\'a[href*="mask.png"]\')?.href'


@pytest.fixture
def page(app, viewer, tmp_path):  # noqa: F811
    """The browser with the page open; the server runs in this process."""
    pytest.importorskip('gradio', minversion='6')
    webdriver = pytest.importorskip('selenium.webdriver')
    blocks = app.build_page(viewer)
    _, url, _ = blocks.launch(prevent_thread_lock=True, quiet=True, server_name='127.0.0.1')
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for option in ('--headless=new', '--no-sandbox', '--disable-gpu', '--window-size=1300,1000'):
        options.add_argument(option)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        driver.get(url)
        yield driver
    finally:
        driver.quit()
        blocks.close()


def foreground(page):
    """Share of the photo, as the sentence says."""
    text = page.execute_script(SENTENCE)
    return int(text.rpartition('%')[0].rpartition(' ')[2])


def set_threshold(page, value):
    """Type into the number beside the slider."""
    (number,) = page.find_elements('css selector', 'input[type=number]')
    number.clear()
    number.send_keys(f'{value}\n')


def test_from_a_photo_to_its_mask(page, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'photo.png')
    wait_for(lambda: page.find_elements('css selector', 'input[type=checkbox]'))
    boxes = page.find_elements('css selector', 'input[type=checkbox]')
    assert len(boxes) == 3  # the classes of the model
    boxes[2].click()
    page.find_element('css selector', 'input[type=file]').send_keys(str(tmp_path / 'photo.png'))
    wait_for(lambda: 'dog ' in page.execute_script(SENTENCE))
    set_threshold(page, 0.1)
    wait_for(lambda: foreground(page) > 50)
    low = foreground(page)
    set_threshold(page, 0.9)
    wait_for(lambda: foreground(page) < low)
    wait_for(lambda: page.execute_script(LINK))
    with urllib.request.urlopen(page.execute_script(LINK)) as answer:
        mask = np.asarray(Image.open(io.BytesIO(answer.read())))
    assert mask.shape == (40, 56) and {*np.unique(mask).tolist()} <= {0, 3}
    assert round(100 * (mask > 0).mean()) == foreground(page)
    severe = [entry for entry in page.get_log('browser') if entry['level'] == 'SEVERE']
    assert not [entry for entry in severe if '127.0.0.1' in entry['message']]
