"""Tools that take a config and a checkpoint meet wrong ones: one line, nothing written."""

from pathlib import Path

import pytest

from tests.hostile.tool_cases import Good, offence, tool_cases

BUILT = {  # one of each kind that ends after a network is built
    'train.py --resume: checkpoint: another archive',
    'train.py: list: an id twice',
    'test.py: checkpoint: other shapes',
    'generate_cams.py: list: link to itself',
}
CASES = list(tool_cases())


def test_names_are_unique():
    assert len({case.name for case in CASES}) == len(CASES) >= 200


@pytest.mark.parametrize('tool', sorted({case.tool for case in CASES}))
def test_wrong_inputs_end_in_one_line(tool, classifier, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = Path(classifier.options['data_root'])
    good = Good(classifier.config, Path(classifier.checkpoint), data, classifier.options)
    chosen = [case for case in CASES if case.tool == tool and (case.quick or case.name in BUILT)]
    found = [offence(case, good, tmp_path / 'case') for case in chosen]
    wrong = [text[:400] for text in found if text]
    assert not wrong, f'{len(wrong)} of {len(chosen)}:\n' + '\n'.join(wrong)
