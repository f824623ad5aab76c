"""The tool that checks VOC 2012 with SBD, and writes its lists and tags."""

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from mmwsss.datasets import voc
from mmwsss.utils.io import read_id_list, read_mask, read_tags, voc_palette, write_mask
from tests.datasets.voc_tree import OBJECTS, make_voc_tree
from tests.tools.program import one_line, run_tool

ONE, TWO, THREE = OBJECTS
FIRST_TAGS = {ONE: ['dog', 'person'], TWO: ['tvmonitor'], THREE: ['aeroplane', 'sheep']}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Three images, and official lists of that size; ``test`` shares its image with ``val`` in that
    tree, so it has no list here.
    """
    for split, number in {'train_aug': 2, 'train': 1, 'val': 1}.items():
        monkeypatch.setitem(voc.VOC_SPLIT_SIZES, split, number)
    root = make_voc_tree(tmp_path / 'VOC2012')
    (root / 'ImageSets' / 'Segmentation' / 'test.txt').unlink()
    return root


def voc_aug(root, *args):
    return run_tool('dataset_converters/voc_aug.py', root, '--workers', 0, *args)


def written(root):
    """Whether any table was written."""
    return sorted(path.name for path in root.glob('*.csv'))


def split_file(root, split):
    return root / 'ImageSets' / 'Segmentation' / f'{split}.txt'


def test_tags_lists_and_differences(root):
    result = voc_aug(root)
    assert result.code == 0 and '0 problems' in result.err, result
    assert read_tags(root / 'image_tags.csv') == {
        name: FIRST_TAGS[name] for name in (TWO, ONE, THREE)
    }
    assert (root / 'tag_differences.csv').read_text().splitlines() == [
        'image,only_annotation,only_mask',
        f'{TWO},tvmonitor,cat',
        f'{ONE},dog person,cat',
        f'{THREE},aeroplane sheep,cat',
    ]
    assert read_id_list(split_file(root, 'train_aug')) == [TWO, ONE]
    rows = {
        line.split('|')[1].strip(): [cell.strip() for cell in line.split('|')[2:-1]]
        for line in result.out.splitlines()
        if '|' in line
    }
    assert rows['class'] == ['train_aug', 'train', 'val', 'only XML', 'only mask']
    assert (
        rows['dog'] == ['1', '1', '0', '1', '0']
        and rows['cat'] == ['0', '0', '0', '0', '3']
        and rows['images'][:3] == ['2', '1', '1']
    )


def test_tags_of_masks(root, tmp_path):
    write_mask(
        root / 'SegmentationClassAug' / f'{ONE}.png',
        np.array([[0, 3, 255], [3, 20, 0]]).repeat(3, 0).repeat(3, 1)[:, :8],
    )
    result = voc_aug(root, '--source', 'mask', '--out', tmp_path / 'out', '--split', 'train')
    assert result.code == 0, result
    assert read_tags(tmp_path / 'out' / 'image_tags.csv') == {
        ONE: ['bird', 'tvmonitor']
    } and not written(root)


def test_a_list_of_train_aug_from_all_masks(root):
    split_file(root, 'train_aug').unlink()
    assert voc_aug(root).code == 0
    assert read_id_list(split_file(root, 'train_aug')) == [ONE, TWO]


@pytest.fixture
def sbd(root, tmp_path):
    """SBD with the mask of the second image, and a VOC folder as unpacked: own masks of the others,
    no train_aug. Returns its folder.
    """
    masks, own = root / 'SegmentationClassAug', root / 'SegmentationClass'
    own.mkdir()
    for name in (ONE, THREE):
        (masks / f'{name}.png').rename(own / f'{name}.png')
    (masks / f'{TWO}.png').unlink()
    masks.rmdir()
    split_file(root, 'train_aug').unlink()
    folder = tmp_path / 'dataset'
    (folder / 'cls').mkdir(parents=True)
    (folder / 'train.txt').write_text(f'{TWO}\n')
    (folder / 'val.txt').write_text(f'{THREE}\n')
    savemat(folder / 'cls' / f'{TWO}.mat', {'GTcls': {'Segmentation': SBD_LABELS}})
    return folder


SBD_LABELS = np.zeros((6, 8), np.uint8)
SBD_LABELS[2:4, 3:] = 20


def test_masks_and_list_from_sbd(root, sbd):
    masks = root / 'SegmentationClassAug'
    result = voc_aug(root, '--sbd', sbd)
    assert result.code == 0, result
    assert read_id_list(split_file(root, 'train_aug')) == [ONE, TWO]
    np.testing.assert_array_equal(read_mask(masks / f'{TWO}.png'), SBD_LABELS)
    np.testing.assert_array_equal(read_mask(masks / f'{ONE}.png'), np.full((6, 8), 8))
    # annotation and SBD show a tvmonitor
    assert f'{TWO},,' not in (root / 'tag_differences.csv').read_text()
    (masks / f'{ONE}.png').unlink()  # interrupted
    before = (masks / f'{TWO}.png').stat().st_mtime_ns
    assert voc_aug(root, '--sbd', sbd).code == 0 and (masks / f'{ONE}.png').is_file()
    assert (masks / f'{TWO}.png').stat().st_mtime_ns == before


def test_tags_of_sbd_masks_before_they_are_written(root, sbd):
    assert voc_aug(root, '--sbd', sbd, '--source', 'mask').code == 0
    assert read_tags(root / 'image_tags.csv') == {ONE: ['cat'], TWO: ['tvmonitor'], THREE: ['cat']}


def save_labels(sbd, labels):
    savemat(sbd / 'cls' / f'{TWO}.mat', {'GTcls': {'Segmentation': labels}})


BAD_SBD = {
    'not a class annotation of SBD': lambda root, sbd: (sbd / 'cls' / f'{TWO}.mat').write_bytes(
        b'no matrix'
    ),
    'not a class annotation of SBD: 40 bytes': lambda root, sbd: (
        sbd / 'cls' / f'{TWO}.mat'
    ).write_bytes(bytes(40)),
    'not a class annotation of SBD: v7.3': lambda root, sbd: (
        sbd / 'cls' / f'{TWO}.mat'
    ).write_bytes(b'MATLAB 7.3 MAT-file'.ljust(124) + b'\x00\x02IM' + bytes(400)),
    'not a class annotation of SBD: cut off': lambda root, sbd: cut(sbd / 'cls' / f'{TWO}.mat'),
    'not a class annotation of SBD: class': lambda root, sbd: save_labels(
        sbd, np.full((6, 8), 21, np.uint8)
    ),
    'not a class annotation of SBD: text': lambda root, sbd: save_labels(sbd, 'none'),
    'mask and image differ in size': lambda root, sbd: save_labels(sbd, np.zeros((8, 6), np.uint8)),
    'no mask in VOC and no annotation in SBD': lambda root, sbd: (
        sbd / 'cls' / f'{TWO}.mat'
    ).unlink(),
    'truncated or unreadable image': lambda root, sbd: cut(root / 'JPEGImages' / f'{TWO}.jpg'),
    'unreadable annotation': lambda root, sbd: (root / 'Annotations' / f'{TWO}.xml').write_text(
        '<annotation>'
    ),
    'colour-encoded mask, not a palette PNG': lambda root, sbd: save_colors(
        root / 'SegmentationClass' / f'{ONE}.png', 'RGB'
    ),
    'image list that cannot be read': lambda root, sbd: (sbd / 'val.txt').write_bytes(b'\xe4\n'),
    'image list that cannot be read: none': lambda root, sbd: (sbd / 'val.txt').unlink(),
}


@pytest.mark.parametrize('kind', BAD_SBD)
def test_no_mask_is_written_beside_a_problem(kind, root, sbd):
    BAD_SBD[kind](root, sbd)
    result = voc_aug(root, '--sbd', sbd)
    assert result.code == 1 and 'Traceback' not in result.err and '1 problem,' in result.err, result
    assert f'problem: {kind.partition(":")[0]}' in result.err
    assert not (root / 'SegmentationClassAug').exists() and not written(root)


def test_copies_of_own_masks_are_repaired(root, sbd):
    own = root / 'SegmentationClass' / f'{ONE}.png'
    save_colors(own, 'RGB')
    assert voc_aug(root, '--sbd', sbd, '--fix').code == 0
    assert Image.open(own).mode == 'RGB' and Image.open(mask_of(root)).mode == 'P'
    np.testing.assert_array_equal(read_mask(mask_of(root)), np.full((6, 8), 8))


def test_train_aug_that_cannot_be_made(root, sbd):
    result = voc_aug(root)
    assert (
        result.code == 1
        and '1 problem,' in result.err
        and 'problem: no list of train_aug' in result.err
    ), result
    assert not written(root)
    result = voc_aug(root, '--split', 'train', 'val')
    assert result.code == 0 and 'no list of train_aug' not in result.err
    result = voc_aug(root, '--any-size')
    assert (
        result.code == 0
        and 'note: no list of train_aug' in result.err
        and not split_file(root, 'train_aug').exists()
    )
    result = voc_aug(root, '--any-size', '--split', 'train_aug')
    assert result.code == 1 and 'problem: no list of train_aug' in result.err


def test_a_list_in_another_encoding_hides_nothing(root):
    split_file(root, 'val').write_bytes(b'h\xe4us\n')
    BAD['truncated or unreadable image'](root)
    result = voc_aug(root)
    assert (
        result.code == 1
        and '2 problems' in result.err
        and 'truncated or unreadable image' in result.err
    ), result
    assert (
        f'image list that cannot be read\n  {split_file(root, "val")}: not a UTF-8 text file'
        in result.err
    )
    split_file(root, 'train_aug').unlink()
    assert '2 problems' in voc_aug(root).err and not written(root)


BAD = {
    'truncated or unreadable image': lambda root: cut(root / 'JPEGImages' / f'{ONE}.jpg'),
    'image not found': lambda root: (root / 'JPEGImages' / f'{ONE}.jpg').unlink(),
    'truncated or unreadable mask': lambda root: cut(root / 'SegmentationClassAug' / f'{ONE}.png'),
    'mask not found': lambda root: (root / 'SegmentationClassAug' / f'{ONE}.png').unlink(),
    'class ids outside 0..20': lambda root: write_mask(mask_of(root), np.full((6, 8), 21)),
    'mask and image differ in size': lambda root: write_mask(mask_of(root), np.zeros((8, 6))),
    'palette of other colours': lambda root: recolor(mask_of(root)),
    'colour-encoded mask, not a palette PNG': lambda root: save_colors(mask_of(root), 'RGB'),
    'colour-encoded mask of four channels, not a palette PNG': lambda root: save_colors(
        mask_of(root), 'RGBA'
    ),
    'colour-encoded mask with a colour that is not a class': lambda root: save_colors(
        mask_of(root), 'RGB', (1, 2, 3)
    ),
    'annotation not found': lambda root: (root / 'Annotations' / f'{ONE}.xml').unlink(),
    'unreadable annotation': lambda root: (root / 'Annotations' / f'{ONE}.xml').write_text(
        '<annotation>'
    ),
    'object that is not a class of VOC': lambda root: (
        root / 'Annotations' / f'{ONE}.xml'
    ).write_text('<annotation><object><name>zebra</name></object></annotation>'),
    'ids with a path or an extension': lambda root: split_file(root, 'train').write_text(
        f'/JPEGImages/{ONE}.jpg /SegmentationClassAug/{ONE}.png\n'
    ),
    'ids listed twice': lambda root: split_file(root, 'train').write_text(f'{ONE}\n{ONE}\n'),
    'Windows line ends': lambda root: split_file(root, 'train').write_bytes(f'{ONE}\r\n'.encode()),
    'byte-order mark': lambda root: split_file(root, 'train').write_text(
        f'{ONE}\n', encoding='utf-8-sig'
    ),
    'the list names no image': lambda root: split_file(root, 'train').write_text('\n'),
    'length of a list': lambda root: split_file(root, 'train_aug').write_text(f'{ONE}\n'),
    'an image in two lists': lambda root: split_file(root, 'val').write_text(f'{TWO}\n'),
    'images of train that train_aug lacks': lambda root: split_file(root, 'train_aug').write_text(
        f'{TWO}\n{THREE}\n'
    ),
}


def mask_of(root):
    return root / 'SegmentationClassAug' / f'{ONE}.png'


def cut(path):
    """Keep the first two thirds of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])


def recolor(path):
    image = Image.open(path)
    image.putpalette(bytes(range(255, -1, -1)) * 3)
    image.save(path)


def save_colors(path, mode, color=None):
    pixels = voc_palette()[read_mask(path)]
    if color is not None:
        pixels[0, 0] = color
    Image.fromarray(pixels).convert(mode).save(path)


@pytest.mark.parametrize('kind', BAD)
def test_bad_input(kind, root):
    BAD[kind](root)
    result = voc_aug(root)
    assert result.code == 1 and 'Traceback' not in result.err
    where = result.err.split(f'problem: {kind}')
    assert len(where) == 2, result.err
    name = {
        'length of a list': 'train_aug',
        'an image in two lists': TWO,
        'the list names no image': 'train.txt',
    }.get(kind)
    assert (
        name or (ONE if 'Windows' not in kind and 'byte' not in kind else 'train.txt')
    ) in where[1].partition('problem:')[0]
    assert not written(root)


def test_one_report_of_everything(root, tmp_path):
    bad = [
        'truncated or unreadable image',
        'palette of other colours',
        'unreadable annotation',
        'Windows line ends',
    ]
    for kind in bad:
        BAD[kind](root)
    (root / 'SegmentationClassAug' / f'{TWO}.png').unlink()
    result = voc_aug(root, '--report', tmp_path / 'report.txt')
    assert result.code == 1 and '5 problems' in result.err
    assert (tmp_path / 'report.txt').read_text() in result.err
    for kind in (*bad, 'mask not found'):
        assert kind in result.err


def test_repairs(root):
    save_colors(mask_of(root), 'RGBA')
    split_file(root, 'train').write_bytes(
        f'\ufeff/JPEGImages/{ONE}.jpg /x/{ONE}.png\r\n{ONE}\r\n'.encode()
    )
    result = voc_aug(root, '--fix')
    assert (
        result.code == 0
        and '0 problems' in result.err
        and f'train.txt, line 2: {ONE!r}, first in line 1' in result.err
    ), result
    assert split_file(root, 'train').read_bytes() == f'{ONE}\n'.encode()
    np.testing.assert_array_equal(read_mask(mask_of(root)), np.full((6, 8), 8))
    assert Image.open(mask_of(root)).mode == 'P' and '0 notes' not in result.err
    assert '1 note' in voc_aug(root).err  # that tags differ


def test_nothing_is_repaired_beside_a_problem(root):
    save_colors(mask_of(root), 'RGB')
    BAD['truncated or unreadable image'](root)
    assert (
        voc_aug(root, '--fix').code == 1
        and Image.open(mask_of(root)).mode == 'RGB'
        and not written(root)
    )


def test_parts_and_missing_folders(root, tmp_path):
    assert one_line(
        voc_aug(tmp_path / 'none'), 'none: folder not found', 'VOCtrainval_11-May-2012.tar'
    )
    (tmp_path / 'empty').mkdir()
    result = voc_aug(tmp_path / 'empty')
    assert result.code == 1 and 'no image list' in result.err and 'JPEGImages' in result.err
    for folder in ('JPEGImages', 'Annotations'):
        for path in (root / folder).iterdir():
            path.unlink()
        (root / folder).rmdir()
    split_file(root, 'train').rename(root / 'train.txt')
    split_file(root, 'train_aug').unlink()
    split_file(root, 'val').unlink()
    result = voc_aug(root, '--without-images', '--any-size', '--out', tmp_path / 'out')
    assert result.code == 0 and read_tags(tmp_path / 'out' / 'image_tags.csv') == {ONE: ['cat']}, (
        result
    )
    result = voc_aug(root, '--split', 'val')
    assert result.code == 1 and 'val.txt' in result.err
