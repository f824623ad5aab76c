"""A function over chunks of files."""

from mmwsss.preparation.chunks import CHUNK, map_chunks


def test_chunks_in_order():
    jobs = list(range(2 * CHUNK + 1))
    for workers in (0, 2):  # three chunks, so that two processes take them
        chunks = list(map_chunks(list, jobs, workers, 'test'))
        assert [len(chunk) for chunk in chunks] == [CHUNK, CHUNK, 1] and sum(chunks, []) == jobs
    assert list(map_chunks(list, [], 2, 'test')) == []
