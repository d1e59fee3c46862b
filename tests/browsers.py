"""A real browser without a screen, which says what goes wrong on a page."""

from collections.abc import Iterator
import contextlib
import io
import os
import pathlib
import shutil

from PIL import Image
import pytest

_NAMES = ('chromium', 'chromium-browser', 'google-chrome')
_FLAGS = (
  '--no-sandbox',  # root has no other way
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
)


def _program() -> str:
  """The name of a browser. Without one, a test is skipped; in CI it fails."""
  for name in _NAMES:
    if found := shutil.which(name):
      return found
  reason = f'needs one of {", ".join(_NAMES)}'
  if os.environ.get('CI'):
    pytest.fail(reason)
  pytest.skip(reason)


@contextlib.contextmanager
def running() -> Iterator:
  """The browser, as Playwright drives it."""
  from playwright.sync_api import sync_playwright

  program = _program()
  with sync_playwright() as playwright:
    browser = playwright.chromium.launch(
      executable_path=program, args=list(_FLAGS)
    )
    yield browser
    browser.close()


@contextlib.contextmanager
def showing(
  browser, path: pathlib.Path, width: int = 1280, scheme: str = 'light'
) -> Iterator:
  """Opens a file; an error or any other request in it fails the test."""
  context = browser.new_context(
    viewport={'width': width, 'height': 900}, color_scheme=scheme
  )
  wrong: list[str] = []
  shown = context.new_page()
  shown.on('console', lambda message: wrong.append(message.text))
  shown.on('pageerror', lambda error: wrong.append(str(error)))
  shown.on('request', lambda request: wrong.append(request.url))
  shown.goto(path.as_uri())
  yield shown
  assert set(wrong) == {path.as_uri()}
  context.close()


def num_colors(element) -> int:
  """How many colours an element shows."""
  image = Image.open(io.BytesIO(element.screenshot())).convert('RGB')
  return len(image.getcolors(maxcolors=image.width * image.height))
