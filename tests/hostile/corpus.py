"""A table of hostile files: what each is, how it is made, and what a reader has to do with it.

``READERS`` names every reader of the product with a file that it accepts. A case damages that file
or puts something else in its place; the outcome is ``'refused'`` (one line that names the file),
``'read'``, or ``'honest'``: either of both, but nothing else.
"""

import io
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from mmwsss.datasets.class_names import load_class_names
from mmwsss.preparation.check_report import CheckReport
from mmwsss.preparation.exports import FORMATS, MaskItem
from mmwsss.preparation.file_check import check_image, check_mask
from mmwsss.preparation.json_stream import JSONArrays
from mmwsss.preparation.list_check import check_id_list
from mmwsss.preparation.tag_readers import read_tag_source
from mmwsss.preparation.voc_check import read_sbd_labels
from mmwsss.utils.affinity_io import read_crf_maps, write_crf_maps
from mmwsss.utils.io import (
    read_cam,
    read_id_list,
    read_image,
    read_json,
    read_mask,
    read_tags,
    write_cam,
    write_mask,
)
from mmwsss.utils.proposal_io import read_proposals
from mmwsss.utils.tag_sources import tags_from_xml

SIZE = (12, 16)


class Reader(NamedTuple):
    """A reader of the product.

    Attributes:
        suffix: Of its files.
        read: Reads a file; raises ValueError or OSError.
        write: Makes a file that it accepts.
        binary: Whether any text is refused.
    """

    suffix: str
    read: Callable[[Path], Any]
    write: Callable[[Path], Any]
    binary: bool


class Case(NamedTuple):
    """A hostile file.

    Attributes:
        name: Reader and kind.
        reader: Key of ``READERS``.
        make: Makes the file in the place of a good one.
        outcome: See above.
    """

    name: str
    reader: str
    make: Callable[[Path], Any]
    outcome: str


def _reported(read):
    """A reader that reports problems: they count as refused."""

    def call(path):
        report = CheckReport('test')
        result = read(path, report)
        if report.num_problems:
            raise ValueError(report.text())
        return result

    return call


def _checked_image(path):
    size, problem = check_image(path, decode=True)
    if problem:
        raise ValueError(f'{path}: {problem}')
    return size


def _checked_mask(path):
    labels, problem = check_mask(path, 3, SIZE)
    if problem is not None:
        raise ValueError(f'{path}: {problem}')
    return labels


def _photo(path):
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (*SIZE, 3)).astype(np.uint8))
    image.save(path, {'.jpg': 'JPEG', '.png': 'PNG', '.tif': 'TIFF', '.webp': 'WEBP'}[path.suffix])


def _maps(value=0.5, dtype=np.float32):
    return np.full((1, *SIZE), value, dtype)


def _text(content):
    def write(path):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return write


def _write_mat(path):
    from scipy.io import savemat

    savemat(path, {'GTcls': {'Segmentation': np.ones(SIZE, np.uint8)}}, do_compression=True)


READERS = {
    'photo.jpg': Reader('.jpg', read_image, _photo, True),
    'photo.png': Reader('.png', read_image, _photo, True),
    'photo.tif': Reader('.tif', read_image, _photo, True),
    'photo.webp': Reader('.webp', read_image, _photo, True),
    'checked photo': Reader('.jpg', _checked_image, _photo, True),
    'mask': Reader(
        '.png',
        lambda path: read_mask(path, 3, SIZE),
        lambda path: write_mask(path, np.ones(SIZE, np.uint8)),
        True,
    ),
    'checked mask': Reader(
        '.png', _checked_mask, lambda path: write_mask(path, np.ones(SIZE, np.uint8)), True
    ),
    'cam': Reader('.npz', read_cam, lambda path: write_cam(path, [0], _maps()), True),
    'crf maps': Reader(
        '.npz',
        read_crf_maps,
        lambda path: write_crf_maps(path, [], _maps(1), _maps(1)),
        True,
    ),
    'sbd': Reader('.mat', read_sbd_labels, _write_mat, True),
    'json': Reader('.json', read_json, _text('{"a": [1, 2]}'), True),
    'tags.json': Reader('.json', read_tags, _text('{"a": ["dog"]}'), True),
    'tags.csv': Reader('.csv', read_tags, _text('image,tags\na,dog\nb,cat\n'), True),
    'tag source': Reader(
        '.csv', _reported(read_tag_source), _text('image,tags\na,dog\nb,cat\n'), True
    ),
    'id list': Reader('.txt', read_id_list, _text('a\nb\nc\n'), False),
    'checked list': Reader('.txt', _reported(check_id_list), _text('a\nb\nc\n'), False),
    'classes': Reader('.txt', load_class_names, _text('background\ndog\ncat\n'), True),
    'xml': Reader(
        '.xml',
        tags_from_xml,
        _text('<annotation><object><name>dog</name></object></annotation>'),
        True,
    ),
    'coco stream': Reader(
        '.json',
        lambda path: list(JSONArrays(path, ('images',))),
        _text('{"images": [{"id": 1}, {"id": 2}]}'),
        True,
    ),
}


def _annotations(name):
    """Reader of an annotation format, with a file that it has written itself."""
    reader = FORMATS[name](('background', 'dog', 'cat'))

    def write(path):
        mask = np.zeros(SIZE, np.uint8)
        mask[2:9, 3:12], mask[5:7, 5:7] = 1, 2
        with tempfile.TemporaryDirectory() as folder:
            reader.write(iter([MaskItem('a', Path('a.jpg'), mask)]), Path(folder))
            (made,) = [file for file in Path(folder).iterdir() if file.suffix == path.suffix][:1]
            path.write_bytes(made.read_bytes())

    suffix = '.xml' if name == 'cvat' else '.json'
    return Reader(suffix, lambda path: list(reader.read(path)), write, True)


READERS.update(
    {
        **{f'annotations of {name}': _annotations(name) for name in ('coco', 'labelme', 'cvat')},
        'annotations of labelstudio': _annotations('labelstudio'),
        'proposals.json': Reader(
            '.json',
            lambda path: list(read_proposals(path, SIZE)),
            _text('[{"size": [12, 16], "counts": [100, 92]}]'),
            True,
        ),
        'proposals.npz': Reader(
            '.npz',
            lambda path: list(read_proposals(path, SIZE)),
            lambda path: np.savez(path, masks=np.ones((2, *SIZE), bool)),
            True,
        ),
    }
)


def _in_place(make):
    def replace(path):
        path.unlink()
        make(path)

    return replace


def _loop(path):
    path.symlink_to(path.name)


def _cut(share):
    return lambda path: path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def _garbage(seed):
    return _text(np.random.default_rng(seed).bytes(300))


def _flipped(share):
    def flip(path):
        data = bytearray(path.read_bytes())
        data[int(share * (len(data) - 1))] ^= 0x41
        path.write_bytes(data)

    return flip


ANYTHING = {
    'missing': (lambda path: path.unlink(), 'refused'),
    'folder': (_in_place(lambda path: path.mkdir()), 'refused'),
    'pipe': (_in_place(os.mkfifo), 'refused'),
    'device': (_in_place(lambda path: path.symlink_to('/dev/zero')), 'refused'),
    'link to itself': (_in_place(_loop), 'refused'),
    'link to nowhere': (_in_place(lambda path: path.symlink_to('nowhere')), 'refused'),
    'empty': (_text(b''), 'refused'),
    'random bytes': (_garbage(0), 'refused'),
    'UTF-16': (_text('image,tags\nä,ö\n'.encode('utf-16')), 'refused'),
}
DAMAGE = {
    **{f'cut at {share:.0%}': (_cut(share), 'honest') for share in (0.1, 0.5, 0.9, 0.99)},
    **{f'bits at {share:.0%}': (_flipped(share), 'honest') for share in (0.02, 0.3, 0.6, 0.97)},
}
PROSE = {'prose': (_text('Dear all,\nthe photos are in the other folder.\n'), 'refused')}


def _save(array, form='PNG', **options):
    return lambda path: Image.fromarray(array).save(path, form, **options)


def _npz(**fields):
    good = dict(keys=np.int16([0]), cam=_maps(), size=np.int32(SIZE))
    return lambda path: np.savez(path, **{**good, **fields})


def _named_npz(path):
    with open(path, 'wb') as file:
        np.save(file, _maps())


def _png(width, height, rows, depth=8, color=0):
    """PNG file of a size in its header and of any inflated content."""

    def chunk(kind, data):
        check = zlib.crc32(kind + data).to_bytes(4, 'big')
        return len(data).to_bytes(4, 'big') + kind + data + check

    header = width.to_bytes(4, 'big') + height.to_bytes(4, 'big') + bytes((depth, color, 0, 0, 0))
    return (
        b'\x89PNG\r\n\x1a\n'
        + chunk(b'IHDR', header)
        + chunk(b'IDAT', zlib.compress(rows, 9))
        + chunk(b'IEND', b'')
    )


def _zip_bomb(path):
    """Maps of 1 GiB in a file of 1 MB."""
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, array in (('keys', np.int16([0])), ('size', np.int32([16384, 16384]))):
            stream = io.BytesIO()
            np.save(stream, array)
            archive.writestr(f'{name}.npy', stream.getvalue())
        stream = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            stream, dict(descr='<f4', fortran_order=False, shape=(1, 16384, 16384))
        )
        with archive.open('cam.npy', 'w', force_zip64=True) as member:
            member.write(stream.getvalue())
            for _ in range(1024):
                member.write(bytes(1 << 20))


def _edited(change):
    """Change what a JSON file holds."""

    def edit(path):
        data = json.loads(path.read_text())
        change(data)
        path.write_text(json.dumps(data))

    return edit


def _replaced(old, new):
    def edit(path):
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return edit


GREY = np.ones(SIZE, np.uint8)
DEEP = np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(SIZE) * 300
RGB = np.zeros((*SIZE, 3), np.uint8)
NAN = np.full(SIZE, np.nan, np.float32)
MANY = '[' * 100_000 + ']' * 100_000
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "x">'
    + ''.join(f'<!ENTITY {chr(99 + i)} "{f"&{chr(98 + i)};" * 10}">' for i in range(9))
    + ']><annotation><object><name>&k;</name></object></annotation>'
)
OWN = {
    ('photo.png', '16 bits'): (_save(DEEP), 'read'),
    ('photo.png', 'palette with transparency'): (
        lambda path: Image.new('P', (16, 12)).save(path, transparency=0),
        'read',
    ),
    ('photo.png', 'one bit'): (_save(GREY.astype(bool)), 'read'),
    ('photo.png', 'slide of 13400x13400'): (
        lambda path: Image.new('1', (13400, 13400)).save(path),
        'refused',
    ),
    ('photo.png', 'header of 2^31 x 2^31'): (_text(_png(2**31 - 1, 2**31 - 1, b'')), 'refused'),
    ('photo.png', 'size 0'): (_text(_png(0, 12, b'')), 'refused'),
    ('photo.png', 'damaged EXIF'): (_save(RGB, exif=b'Exif\0\0MM\0*\xff\xff'), 'read'),
    ('photo.tif', 'floats'): (_save(DEEP.astype(np.float32), 'TIFF'), 'read'),
    ('photo.tif', 'no finite pixel'): (_save(NAN, 'TIFF'), 'refused'),
    ('photo.tif', '32 bits'): (_save(DEEP.astype(np.int32), 'TIFF'), 'read'),
    ('photo.jpg', 'PNG of that name'): (_save(RGB), 'read'),
    ('photo.jpg', 'CMYK'): (
        lambda path: Image.new('CMYK', (16, 12)).save(path, 'JPEG'),
        'read',
    ),
    ('mask', 'other size'): (_save(GREY.T), 'refused'),
    ('mask', 'colours'): (_save(RGB), 'refused'),
    ('mask', 'transparent'): (lambda path: Image.new('RGBA', (16, 12)).save(path), 'refused'),
    ('mask', 'grey with alpha'): (lambda path: Image.new('LA', (16, 12)).save(path), 'refused'),
    ('mask', 'class 200'): (_save(GREY * 200), 'refused'),
    ('mask', '16 bits with 257'): (_save(GREY.astype(np.uint16) * 257), 'refused'),
    ('mask', '16 bits with 1'): (_save(GREY.astype(np.uint16)), 'read'),
    ('mask', 'negative'): (_save(-GREY.astype(np.int32), 'TIFF'), 'refused'),
    ('mask', 'floats'): (_save(GREY.astype(np.float32), 'TIFF'), 'refused'),
    ('mask', 'JPEG of that name'): (_save(GREY, 'JPEG'), 'refused'),
    ('mask', 'WebP of that name'): (_save(RGB, 'WEBP'), 'refused'),
    ('mask', 'all ignored'): (_save(GREY * 255), 'read'),
    ('mask', 'one bit'): (_save(GREY.astype(bool)), 'read'),
    ('mask', 'inflates to 64 MiB'): (_text(_png(16, 12, bytes(1 << 26))), 'honest'),
    ('mask', 'inflates to too little'): (_text(_png(16, 12, bytes(20))), 'refused'),
    ('mask', 'header of 30000x30000'): (_text(_png(30000, 30000, bytes(99))), 'refused'),
    ('mask', 'filtered rows'): (_text(_png(16, 12, (b'\1' + bytes(16)) * 12)), 'read'),
    ('mask', 'unknown filter'): (_text(_png(16, 12, (b'\7' + bytes(16)) * 12)), 'refused'),
    ('checked mask', 'JPEG of that name'): (_save(GREY, 'JPEG'), 'refused'),
    ('checked mask', '16 bits with 257'): (_save(GREY.astype(np.uint16) * 257), 'refused'),
    ('checked mask', 'floats'): (_save(GREY.astype(np.float32), 'TIFF'), 'honest'),
    ('cam', 'NaN'): (_npz(cam=_maps(np.nan)), 'refused'),
    ('cam', 'infinite'): (_npz(cam=_maps(np.inf)), 'refused'),
    ('cam', '0 to 255'): (_npz(cam=_maps(255)), 'refused'),
    ('cam', 'negative'): (_npz(cam=_maps(-1)), 'refused'),
    ('cam', 'NaN in halves'): (_npz(cam=_maps(np.nan, np.float16)), 'refused'),
    ('cam', 'complex'): (_npz(cam=_maps(1, np.complex64)), 'refused'),
    ('cam', 'float64'): (_npz(cam=_maps(1, np.float64)), 'refused'),
    ('cam', 'bytes'): (_npz(cam=_maps(1, np.uint8)), 'refused'),
    ('cam', 'text'): (_npz(cam=np.array(['a'])), 'refused'),
    ('cam', 'objects'): (_npz(cam=np.array([{}], object)), 'refused'),
    ('cam', 'records'): (_npz(cam=np.zeros((1, *SIZE), [('a', 'f4')])), 'refused'),
    ('cam', 'two dimensions'): (_npz(cam=_maps()[0]), 'refused'),
    ('cam', 'scalar size'): (_npz(size=np.int32(12)), 'refused'),
    ('cam', 'scalar keys'): (_npz(keys=np.int16(0)), 'refused'),
    ('cam', 'negative size'): (_npz(size=np.int32([-12, -16])), 'refused'),
    ('cam', 'turned size'): (_npz(size=np.int32(SIZE[::-1])), 'refused'),
    ('cam', 'keys of floats'): (_npz(keys=np.float32([0])), 'refused'),
    ('cam', 'a class twice'): (
        _npz(keys=np.int16([0, 0]), cam=np.zeros((2, *SIZE), 'f4')),
        'refused',
    ),
    ('cam', 'more keys than maps'): (_npz(keys=np.int16([0, 1])), 'refused'),
    ('cam', 'no class'): (_npz(keys=np.int16([]), cam=np.zeros((0, *SIZE), 'f4')), 'read'),
    ('cam', 'further arrays'): (_npz(remark=np.zeros(3)), 'read'),
    ('cam', 'npy of that name'): (_named_npz, 'refused'),
    ('cam', 'other archive'): (lambda path: np.savez(path, a=np.zeros(2)), 'refused'),
    ('cam', 'bomb'): (_zip_bomb, 'refused'),
    ('crf maps', 'NaN'): (
        lambda path: np.savez(path, keys=np.int16([]), la=_maps(np.nan, 'f2'), ha=_maps(1, 'f2')),
        'refused',
    ),
    ('crf maps', 'float64'): (
        lambda path: np.savez(path, keys=np.int16([]), la=_maps(1, 'f8'), ha=_maps(1, 'f8')),
        'refused',
    ),
    ('json', 'nested'): (_text(MANY), 'refused'),
    ('json', 'number of 10,000 digits'): (_text('[' + '9' * 10_000 + ']'), 'refused'),
    ('json', 'surrogate'): (_text('["\\ud800"]'), 'read'),
    ('json', 'byte-order mark'): (_text('\ufeff{}'), 'read'),
    ('coco stream', 'nested'): (_text('{"images": ' + MANY + '}'), 'refused'),
    ('coco stream', 'number of 10,000 digits'): (
        _text('{"images": [' + '9' * 10_000 + ']}'),
        'refused',
    ),
    ('coco stream', 'Latin-1'): (_text(b'{"images": ["\xe4"]}'), 'refused'),
    ('tags.json', 'list'): (_text('["a"]'), 'refused'),
    ('tags.json', 'text'): (_text('{"a": "dog"}'), 'refused'),
    ('tags.json', 'an image twice'): (_text('{"a": [], "a": []}'), 'refused'),
    ('tags.csv', 'no header'): (_text('a,dog\n'), 'refused'),
    ('tags.csv', 'NUL'): (_text('image,tags\0\na,dog\n'), 'refused'),
    ('tags.csv', 'field of 200 kB'): (_text('"' + 'x' * 200_000 + '",tags\na,dog\n'), 'refused'),
    ('tags.csv', 'an image twice'): (_text('image,tags\na,dog\na,cat\n'), 'refused'),
    ('tag source', 'field of 200 kB'): (
        _text('name,label\na,' + 'x' * 200_000 + '\n'),
        'refused',
    ),
    ('tag source', 'Latin-1'): (_text('image,tags\na,h\xe4\n'.encode('latin-1')), 'read'),
    ('id list', 'an id twice'): (_text('a\na\n'), 'refused'),
    ('classes', 'no background'): (_text('dog\ncat\n'), 'refused'),
    ('classes', 'a name twice'): (_text('background\ndog\ndog\n'), 'refused'),
    ('classes', 'background alone'): (_text('background\n'), 'refused'),
    ('xml', 'billion laughs'): (_text(LAUGHS), 'refused'),
    ('xml', 'other root'): (_text('<html/>'), 'refused'),
    ('xml', 'unknown encoding'): (_text('<?xml version="1.0" encoding="x-none"?><a/>'), 'refused'),
    ('xml', 'object without name'): (_text('<annotation><object/></annotation>'), 'refused'),
    ('xml', 'nested'): (_text('<a>' * 50_000), 'refused'),
    **{
        ('annotations of coco', kind): (_edited(change), 'refused')
        for kind, change in {
            'a huge image': lambda data: data['images'][0].update(width=10**6, height=10**6),
            'a size of text': lambda data: data['images'][0].update(width='wide'),
            'a negative size': lambda data: data['images'][0].update(width=-4),
            'runs beyond the image': lambda data: data['annotations'][0].update(
                segmentation=dict(size=[12, 16], counts='o' * 40 + '0')
            ),
            'runs too short': lambda data: data['annotations'][0].update(
                segmentation=dict(size=[12, 16], counts=[3])
            ),
            'runs of 10^18': lambda data: data['annotations'][0].update(
                segmentation=dict(size=[12, 16], counts=[10**18, 10**18])
            ),
            'no runs': lambda data: data['annotations'][0].update(segmentation={}),
            'outlines of text': lambda data: data['annotations'][0].update(segmentation=[['x']]),
            'outlines that are not finite': lambda data: data['annotations'][0].update(
                segmentation=[[float('nan')] * 6]
            ),
            'an unknown class': lambda data: data['categories'][0].update(name='bird'),
            'an unknown image': lambda data: data['annotations'][0].update(image_id=9),
            'images that are no list': lambda data: data.update(images=5),
            'an image twice': lambda data: data['images'].append(dict(data['images'][0], id=2)),
        }.items()
    },
    **{
        ('annotations of labelme', kind): (_edited(change), 'refused')
        for kind, change in {
            'a huge image': lambda data: data.update(imageWidth=10**6, imageHeight=10**6),
            'no size': lambda data: data.pop('imageWidth'),
            'points of text': lambda data: data['shapes'][0].update(points='x'),
            'no points': lambda data: data['shapes'][0].update(points=[]),
            'a label that is a list': lambda data: data['shapes'][0].update(label=['dog']),
        }.items()
    },
    **{
        ('annotations of labelstudio', kind): (_edited(change), 'refused')
        for kind, change in {
            'a huge image': lambda data: data[0]['predictions'][0]['result'][0].update(
                original_width=10**6, original_height=10**6
            ),
            'bytes above 255': lambda data: data[0]['predictions'][0]['result'][0]['value'].update(
                rle=[999]
            ),
            'no data': lambda data: data[0].pop('data'),
            'a task of text': lambda data: data.append('x'),
        }.items()
    },
    **{
        ('annotations of cvat', kind): (_replaced(old, new), 'refused')
        for kind, old, new in (
            ('a huge image', 'width="16" height="12"', 'width="1000000" height="1000000"'),
            ('a mask outside', 'left="3"', 'left="300"'),
            ('a mask before the edge', 'left="3"', 'left="-3"'),
            ('other runs', 'rle="', 'rle="7, '),
            ('runs of text', 'rle="', 'rle="x, '),
            ('no runs', 'rle=', 'runs='),
            ('an unknown class', 'label="dog"', 'label="bird"'),
        )
    },
    ('proposals.json', 'runs too long'): (
        _text('[{"size": [12, 16], "counts": [200]}]'),
        'refused',
    ),
    ('proposals.json', 'size of text'): (_text('[{"size": "x", "counts": [192]}]'), 'refused'),
    ('proposals.json', 'counts of a number'): (
        _text('[{"size": [12, 16], "counts": 192}]'),
        'refused',
    ),
    ('proposals.npz', 'floats'): (
        lambda path: np.savez(path, masks=np.full((1, *SIZE), np.nan)),
        'refused',
    ),
    ('proposals.npz', 'objects'): (
        lambda path: np.savez(path, masks=np.array([{}], object)),
        'refused',
    ),
    ('sbd', 'other variable'): (
        lambda path: __import__('scipy.io').io.savemat(path, {'a': 1}),
        'refused',
    ),
}
# names that leave their folder or end a line, in every list
NAMES = ('../evil', '../../evil', '/abs/evil', 'a/../../evil', 'C:\\evil', '\\\\host\\evil', 'a\\b')


def cases() -> Iterator[Case]:
    """All cases."""
    for name, reader in READERS.items():
        kinds = {**ANYTHING, **DAMAGE, **(PROSE if reader.binary else {})}
        for kind, (make, outcome) in kinds.items():
            if (name, kind) == ('tag source', 'UTF-16'):
                outcome = 'read'  # as Excel exports text
            yield Case(f'{name}: {kind}', name, make, outcome)
    for (name, kind), (make, outcome) in OWN.items():
        yield Case(f'{name}: {kind}', name, make, outcome)
    for hostile in NAMES:
        yield Case(f'id list: {hostile}', 'id list', _text(f'a\n{hostile}\n'), 'refused')
        yield Case(f'classes: {hostile}', 'classes', _text(f'background\n{hostile}\n'), 'refused')
