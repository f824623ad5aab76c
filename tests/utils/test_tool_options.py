"""Options that several tools have in common."""

import os
from argparse import ArgumentParser
from pathlib import Path

import pytest

from mmwsss.utils.tool_options import (
    add_cam_arguments,
    add_check_arguments,
    add_launch_arguments,
    add_tag_name_arguments,
    parse_launched,
)


def test_launched_tools(monkeypatch):
    """The variable of the launcher goes before the option of older ones."""
    parser = ArgumentParser()
    add_launch_arguments(parser)
    monkeypatch.delenv('LOCAL_RANK', raising=False)
    args = parse_launched(parser, ['--local-rank', '1', '--cfg-options', 'a=1', 'b=x'])
    assert (args.launcher, args.cfg_options) == ('none', dict(a=1, b='x'))
    assert os.environ['LOCAL_RANK'] == '1'
    monkeypatch.setenv('LOCAL_RANK', '3')
    parse_launched(parser, [])
    assert os.environ['LOCAL_RANK'] == '3'


def test_names_of_tags(capsys):
    parser = ArgumentParser()
    add_tag_name_arguments(parser)
    args = parser.parse_args(['--rename', 'kitten=cat', 'a b=c=d', '--level', '2'])
    assert (args.rename, args.level, args.class_map) == (['kitten=cat', 'a b=c=d'], 2, None)
    for wrong in ('cat', '=cat', 'cat='):
        with pytest.raises(SystemExit):
            parser.parse_args(['--rename', wrong])
        assert f"--rename: expected A=B, found '{wrong}'" in capsys.readouterr().err


def test_files():
    parser = ArgumentParser()
    add_check_arguments(parser)
    add_cam_arguments(parser, results='the masks')
    args = parser.parse_args(['--cams', 'c', '--images', 'i', '--out', 'o'])
    assert (args.cams, args.images, args.out) == (Path('c'), Path('i'), Path('o'))
    assert (args.list, args.raw_pixels, args.report, args.workers) == (None, False, None, 4)
    assert 'folder of the masks' in parser.format_help()
