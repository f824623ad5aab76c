"""Archives of arrays from files that nobody vouches for."""

import io
import zipfile

import numpy as np
import pytest

from mmwsss.utils.arrays import check_unit_range, read_arrays
from mmwsss.utils.io import read_cam, write_cam


def npy(array, header=None):
    stream = io.BytesIO()
    if header is None:
        np.lib.format.write_array(stream, array, allow_pickle=True)
    else:
        np.lib.format.write_array_header_1_0(stream, header)
        stream.write(array.tobytes())
    return stream.getvalue()


def archive(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, 'w', compression) as file:
        for name, data in members.items():
            file.writestr(f'{name}.npy', data)
    return path


def read(path, names=('a',)):
    return read_arrays(path, names, 'CAM file', 'make it again')


@pytest.mark.parametrize('compression', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    'array',
    [
        np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.zeros((0, 4), np.float16),
        np.array(3, np.int64),
        np.arange(3, dtype='>i4'),
    ],
)
def test_what_numpy_writes(array, compression, tmp_path):
    found = read(archive(tmp_path / 'a.npz', {'a': npy(array)}, compression))['a']
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype and found.shape == array.shape and found.flags.writeable


def test_objects_are_not_read(tmp_path):
    path = archive(tmp_path / 'a.npz', {'a': npy(np.array([{}], object))})
    with pytest.raises(ValueError, match='a.npz: damaged CAM file .*objects.*; make it again'):
        read(path)


@pytest.mark.parametrize('shape', [(1 << 40,), (3,), (1 << 62, 1 << 62), (-2,)])
def test_headers_that_lie(shape, tmp_path):
    header = dict(descr='<f4', fortran_order=False, shape=shape)
    path = archive(tmp_path / 'a.npz', {'a': npy(np.zeros(2, np.float32), header)})
    with pytest.raises(ValueError, match='a.npz: damaged CAM file'):
        read(path)


def test_bombs_are_refused_by_the_size_they_declare(tmp_path, monkeypatch):
    monkeypatch.setenv('MMWSSS_MAX_MAPS_MB', '1')
    path = archive(
        tmp_path / 'a.npz', {'a': npy(np.zeros((3, 1 << 20), np.uint8))}, zipfile.ZIP_DEFLATED
    )
    assert path.stat().st_size < 10_000
    with pytest.raises(ValueError, match='a.npz: CAM file of 3 MiB when unpacked.*MAX_MAPS_MB=4'):
        read(path)
    many = tmp_path / 'many.npz'
    archive(many, {f'm{number}': b'' for number in range(100)})
    with pytest.raises(ValueError, match='an archive of 100 members'):
        read(many)


def test_every_byte_counts(tmp_path):
    path = tmp_path / 'a.npz'
    write_cam(path, [3], np.full((1, 4, 5), 0.5, np.float32))
    data, wrong = path.read_bytes(), 0
    for position in range(0, len(data), 3):
        path.write_bytes(data[:position] + bytes([data[position] ^ 0x10]) + data[position + 1 :])
        try:
            found = read_cam(path)
        except ValueError as error:
            assert str(error).startswith(f'{path}: ')
            wrong += 1
        else:  # dates, attributes and the like
            np.testing.assert_array_equal(found.cam, np.full((1, 4, 5), 0.5, np.float32))
    assert wrong > 0.2 * len(data)
    for length in range(0, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match='a.npz: damaged CAM file'):
            read_cam(path)


@pytest.mark.parametrize('dtype', [np.float16, np.float32])
@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf, -0.1, 1.1, 200])
def test_values_outside_the_unit_range(value, dtype, tmp_path):
    maps = np.zeros((1, 4, 5), dtype)
    check_unit_range('a.npz', maps, 'maps')
    maps[0, 2, 3] = -0.0
    check_unit_range('a.npz', maps, 'maps')
    maps[0, 1, 1] = 1
    check_unit_range('a.npz', maps, 'maps')
    maps[0, 2, 2] = value
    with pytest.raises(ValueError, match='b.npz: maps must be finite and in .0,1., but 1 of 20'):
        write_cam(tmp_path / 'b.npz', [0], maps)
    assert not (tmp_path / 'b.npz').exists()
    np.savez(tmp_path / 'c.npz', keys=np.int16([0]), cam=maps, size=np.int32([4, 5]))
    with pytest.raises(ValueError, match='c.npz: maps must be finite'):
        read_cam(tmp_path / 'c.npz')


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(keys=np.float32([0])), 'not a list of integers'),
        (dict(keys=np.int16(0)), 'not a list of integers'),
        (dict(cam=np.zeros((1, 4, 5), np.complex64)), 'complex64'),
        (dict(cam=np.zeros((1, 4, 5), np.uint8)), 'uint8'),
        (dict(cam=np.zeros((4, 5), np.float32)), 'float32'),
        (dict(size=np.int32(4)), 'size is not a pair'),
        (dict(size=np.int32([4, 5, 1])), 'size is not a pair'),
        (dict(size=np.int32([0, 5])), 'size is not a pair'),
        (dict(size=np.int32([5, 4])), 'do not fit'),
        (dict(keys=np.int16([0, 1])), 'do not fit'),
        (dict(keys=np.int16([1, 1]), cam=np.zeros((2, 4, 5), np.float32)), 'twice'),
    ],
)
def test_fields_of_another_kind(change, message, tmp_path):
    good = dict(keys=np.int16([0]), cam=np.zeros((1, 4, 5), np.float32), size=np.int32([4, 5]))
    np.savez(tmp_path / 'a.npz', **{**good, **change})
    with pytest.raises(ValueError, match=f'a.npz: .*{message}'):
        read_cam(tmp_path / 'a.npz')
    np.save(tmp_path / 'b.npy', good['cam'])
    (tmp_path / 'b.npy').rename(tmp_path / 'b.npz')
    with pytest.raises(ValueError, match='b.npz: damaged CAM file .not a zip'):
        read_cam(tmp_path / 'b.npz')
