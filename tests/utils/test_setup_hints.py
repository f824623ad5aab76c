"""What is expected where, for the messages about missing files."""

import pytest

from mmwsss.datasets import voc
from mmwsss.utils.setup_hints import VOC_SPLIT_SIZES, coco_setup_hint, voc_setup_hint


@pytest.mark.parametrize(
    'hint, tool', [(voc_setup_hint, 'voc_aug.py'), (coco_setup_hint, 'coco14.py')]
)
def test_a_hint_holds_a_command_for_the_folder(hint, tool):
    assert f"`python tools/dataset_converters/{tool} '/data/my sets'`" in hint('/data/my sets')


def test_the_data_set_counts_by_the_same_table():
    assert voc.VOC_SPLIT_SIZES is VOC_SPLIT_SIZES
