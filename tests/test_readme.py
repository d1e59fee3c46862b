import pathlib
import re

import pytest

README = pathlib.Path(__file__).parents[1] / 'README.md'


def blocks():
  return re.findall(r'```python\n(.*?)```', README.read_text(), re.DOTALL)


@pytest.mark.parametrize('code', blocks())
def test_code_of_the_readme_runs(code, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  names = {'__name__': 'readme'}
  exec(compile(code, 'README.md', 'exec'), names)  # noqa: S102, our own text
  if 'alpha' in names:
    assert names['logits'].shape == (4, 3)
    assert names['alpha'].shape == (10, 4)
