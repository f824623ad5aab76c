"""The prediction tool; it is run on the result of test_photos.py."""

from tests.tools.program import run_tool


def test_options(tmp_path):
    words = ['predict.py', 'a.jpg', '--model', tmp_path, '--out', tmp_path]
    result = run_tool(*words, '--threshold', 0.3)
    assert result.code == 2 and '--threshold belongs to --tags and --maps' in result.err
    assert run_tool(*words, '--tags', 'a', '--threshold', 3).code == 2
