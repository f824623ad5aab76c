"""The map over worker processes."""

import itertools
import os
import pickle
import time

import pytest

from mmwsss.utils.pool import bounded_map, forked_map


def square(job):
    time.sleep(0.01 * (job % 3))
    return job * job


def die_on_three(job):
    if job == 3:
        os.kill(os.getpid(), 9)
    return job


def die_first_time(job):
    index, marker = job
    if index == 2 and not os.path.exists(marker):
        open(marker, 'w').close()
        os._exit(7)
    return index


def pair_with_process(job):
    return job, os.getpid()


def fail_on_two(job):
    if job == 2:
        raise ValueError('two is not allowed')
    return job


def make_function(job):
    return lambda: job


def test_inline():
    assert list(bounded_map(lambda job: job + 1, range(4))) == [1, 2, 3, 4]
    lazy = bounded_map(square, itertools.count())
    assert [next(lazy), next(lazy)] == [0, 1]


@pytest.mark.parametrize('workers', [1, 3])
def test_results_keep_the_order_of_the_jobs(workers):
    assert list(bounded_map(square, range(13), workers)) == [job * job for job in range(13)]
    assert list(bounded_map(square, [], workers)) == []


def test_spawned_workers():
    assert list(bounded_map(os.path.basename, ['a/b', 'c/d'], 1, start_method='spawn')) == [
        'b',
        'd',
    ]


def test_large_results():
    assert [len(result) for result in bounded_map(bytes, [3_000_000] * 5, 2)] == [3_000_000] * 5


def test_jobs_are_taken_only_as_results_are_consumed():
    taken = []

    def jobs():
        for job in itertools.count():
            taken.append(job)
            yield job

    results = bounded_map(square, jobs(), 2)
    assert taken == []
    for consumed in range(1, 6):
        next(results)
        assert len(taken) <= consumed + 3
    results.close()
    assert len(taken) <= 8
    narrow = bounded_map(square, itertools.count(), 2, max_in_flight=1)
    assert [next(narrow), next(narrow)] == [0, 1]
    narrow.close()


def test_a_job_survives_the_death_of_its_worker(tmp_path):
    marker = str(tmp_path / 'died')
    assert list(bounded_map(die_first_time, [(index, marker) for index in range(6)], 2)) == list(
        range(6)
    )
    assert os.path.exists(marker)


def test_a_job_that_kills_twice_is_named():
    results = bounded_map(die_on_three, range(6), 2, name=lambda job: f'image {job}')
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(
        RuntimeError, match='job image 3: its worker process died twice, exit code -9'
    ):
        next(results)


def test_errors_of_the_function_come_through():
    with pytest.raises(ValueError, match='two is not allowed') as info:
        list(bounded_map(fail_on_two, range(4), 2))
    assert 'job 2 failed' in str(info.value.__cause__) and 'fail_on_two' in str(
        info.value.__cause__
    )


def test_what_cannot_be_passed_between_processes():
    with pytest.raises(RuntimeError, match='cannot be passed between processes'):
        list(bounded_map(make_function, [0], 1))
    with pytest.raises(Exception, match='lambda|local object') as info:
        list(bounded_map(square, [lambda: 0], 1))
    assert 'could not be passed' in str(info.value.__cause__)


def test_wrong_arguments():
    with pytest.raises(ValueError, match='workers'):
        bounded_map(square, [], -1)
    with pytest.raises(ValueError, match='max_in_flight'):
        bounded_map(square, [], 1, max_in_flight=0)
    with pytest.raises(ValueError, match='may hang'):
        bounded_map(square, [], 1, start_method='fork')


@pytest.mark.parametrize('workers, chunk', [(1, 2), (2, 2), (2, 99)])
def test_forked_workers(workers, chunk):
    """Results keep the order of the jobs; one chunk runs inline."""
    results = list(forked_map(pair_with_process, range(7), workers, chunk=chunk))
    assert [job for job, _ in results] == list(range(7))
    assert (os.getpid() in {process for _, process in results}) == (workers < 2 or chunk > 7)


def test_errors_of_forked_workers():
    with pytest.raises(ValueError, match='two is not allowed'):
        list(forked_map(fail_on_two, range(4), 2))
    with pytest.raises(OSError, match='killed .out of memory.*; use fewer workers'):
        list(forked_map(die_on_three, range(6), 2))


def test_functions_that_no_process_knows_are_refused_at_once():
    with pytest.raises((AttributeError, pickle.PicklingError), match='lambda'):
        forked_map(lambda job: job, range(4), 2)
