"""Optional packages: imported, or named with the command that installs them."""

import json

import pytest

from mmwsss.utils.extras import import_extra


def test_a_package_that_is_there():
    assert import_extra('json', 'none', 'this test') is json


def test_a_package_that_is_not_there():
    with pytest.raises(ValueError, match=r'this test needs no_such_package: pip install') as error:
        import_extra('no_such_package.part', 'foundation', 'this test')
    assert 'mmwsss[foundation]' in str(error.value) and '\n' not in str(error.value)
