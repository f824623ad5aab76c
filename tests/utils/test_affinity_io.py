"""Files of CRF maps: round trip, and errors that name the file."""

import numpy as np
import pytest

from mmwsss.utils.affinity_io import read_crf_maps, write_crf_maps


def test_round_trip(tmp_path):
    maps = np.random.default_rng(0).random((2, 3, 5, 7), np.float32)
    write_crf_maps(tmp_path / 'new' / 'a.npz', [4, 19], *maps)
    # no temporary file is left
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['a.npz']
    keys, la, ha = read_crf_maps(tmp_path / 'new' / 'a.npz')
    assert (
        keys.dtype == np.int16 and keys.tolist() == [4, 19] and la.dtype == ha.dtype == np.float16
    )
    np.testing.assert_array_equal([la, ha], maps.astype(np.float16))


def test_an_image_without_tags(tmp_path):
    write_crf_maps(tmp_path / 'a.npz', [], np.ones((1, 4, 6)), np.ones((1, 4, 6)))
    maps = read_crf_maps(tmp_path / 'a.npz')
    assert len(maps.keys) == 0 and maps.la.shape == (1, 4, 6)


@pytest.mark.parametrize(
    'la, ha', [((3, 4, 6), (3, 4, 6)), ((2, 4, 6), (2, 4, 5)), ((2, 4), (2, 4))]
)
def test_shapes_that_do_not_fit(tmp_path, la, ha):
    with pytest.raises(ValueError, match=r'a.npz: 1 keys need la and ha of shape \(2,H,W\)'):
        write_crf_maps(tmp_path / 'a.npz', [0], np.ones(la), np.ones(ha))
    assert not list(tmp_path.iterdir())


def test_damaged_files(tmp_path):
    path = tmp_path / 'a.npz'
    with pytest.raises(FileNotFoundError):
        read_crf_maps(path)
    write_crf_maps(path, [0], np.ones((2, 4, 6)), np.ones((2, 4, 6)))
    complete = path.read_bytes()
    for content in (complete[: len(complete) // 2], b'', b'text'):
        path.write_bytes(content)
        with pytest.raises(ValueError, match='a.npz: damaged file of CRF maps.*delete it'):
            read_crf_maps(path)
    np.savez(path, keys=[0], cam=np.ones((1, 4, 6)), size=[4, 6])  # a CAM file
    with pytest.raises(ValueError, match='damaged file of CRF maps'):
        read_crf_maps(path)
    # needs pickle
    np.savez(path, keys=np.array([None]), la=np.ones((2, 4, 6)), ha=np.ones((2, 4, 6)))
    with pytest.raises(ValueError, match='damaged file of CRF maps'):
        read_crf_maps(path)
    np.save(tmp_path / 'b.npy', np.ones(3))
    with pytest.raises(ValueError, match='damaged file of CRF maps'):
        read_crf_maps(tmp_path / 'b.npy')
    np.savez(path, keys=[0, 1], la=np.ones((2, 4, 6)), ha=np.ones((2, 4, 6)))
    with pytest.raises(ValueError, match='2 keys'):
        read_crf_maps(path)
