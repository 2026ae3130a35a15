"""Tasks side by side: in processes of their own, none of which takes the others down."""

from __future__ import annotations

import math
import multiprocessing
import os
import time

import pytest

from hsiattn.experiments.execution import Failed, cores, side_by_side


def results_of(function, tasks, jobs=2):
    return dict(side_by_side(function, tasks, jobs=jobs))


def test_every_task_is_done_once():
    assert results_of(math.sqrt, [4.0, 9.0, 16.0]) == {4.0: 2.0, 9.0: 3.0, 16.0: 4.0}
    assert not multiprocessing.active_children()


def test_without_tasks_there_is_nothing_to_wait_for():
    assert results_of(math.sqrt, []) == {}


def test_a_task_that_fails_says_why_and_the_others_go_on():
    results = results_of(math.sqrt, [-1.0, 9.0], jobs=1)
    failed = results[-1.0]
    assert isinstance(failed, Failed)
    assert failed.reason.startswith("unexpected ValueError")
    assert "Traceback" in failed.traceback
    assert results[9.0] == 3.0


def test_a_task_that_ends_its_process_is_told_and_the_next_gets_a_new_one():
    results = dict(side_by_side(os._exit, [3, 0], jobs=1))
    assert results[3].reason.startswith("its process ended with status 3")
    assert results[0].reason.startswith("its process ended with status 0")


@pytest.mark.parametrize("threads", [1, 3])
def test_processes_have_few_threads_and_leave_our_environment_alone(monkeypatch, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    results = side_by_side(os.getenv, ["OMP_NUM_THREADS"], jobs=1, threads=threads)
    assert list(results) == [("OMP_NUM_THREADS", str(threads))]
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_processes_end_with_the_generator_whatever_they_do():
    results = side_by_side(time.sleep, [0, 600, 600], jobs=2)
    assert next(results) == (0, None)
    results.close()
    assert not multiprocessing.active_children()


def test_there_is_a_core():
    assert 1 <= cores() <= (os.cpu_count() or 1)
