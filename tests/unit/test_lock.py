"""A run's lock: its owner, its lease, and that no two processes ever hold it."""

import json
import multiprocessing
import os
import time

import pytest

from ablations.harness import lock
from ablations.harness.lock import BusyError, LockOwner, lock_file, lock_owner, run_lock


def test_the_lock_is_held_once_and_leaves_nothing(tmp_path):
    run = tmp_path / "run"
    with run_lock(run):
        owner = lock_owner(run)
        assert owner is not None
        assert owner.pid == os.getpid()
        with pytest.raises(BusyError, match="run is being worked on"), run_lock(run):
            pass
    assert lock_owner(run) is None
    assert list(tmp_path.iterdir()) == []


def test_the_lock_leaves_nothing_where_the_work_failed(tmp_path):
    with pytest.raises(ValueError, match="failed"), run_lock(tmp_path / "run"):
        raise ValueError("failed")
    assert list(tmp_path.iterdir()) == []


def _leave(run, host, age_s):
    path = lock_file(run)
    path.write_text(json.dumps({"host": host, "pid": 2**22 + 1}))
    os.utime(path, (time.time() - age_s,) * 2)


@pytest.mark.parametrize(("host", "age_s", "busy"), [("elsewhere", 1, True), ("elsewhere", 1e4, False)])
def test_another_machines_lease_holds_until_it_runs_out(tmp_path, host, age_s, busy):
    run = tmp_path / "run"
    _leave(run, host, age_s)
    assert (lock_owner(run) == LockOwner(host=host, pid=2**22 + 1)) is busy
    if busy:
        with pytest.raises(BusyError, match="of elsewhere"), run_lock(run):
            pass
        assert lock_file(run).exists()
    else:
        with run_lock(run):
            pass


def test_a_lock_of_a_process_of_this_machine_that_is_gone_is_taken_at_once(tmp_path):
    run = tmp_path / "run"
    _leave(run, lock.socket.gethostname(), 0)
    assert lock_owner(run) is None
    with run_lock(run):
        assert lock_owner(run) is not None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"host": 1}', b"\xff\x00"])
def test_a_lock_file_of_anything_is_no_obstacle(tmp_path, content):
    run = tmp_path / "run"
    lock_file(run).write_bytes(content)
    assert lock_owner(run) is None
    with run_lock(run):
        pass


def _count(run, rounds, worked):
    """Take the lock again and again; inside, nobody else may be inside."""
    inside = run.parent / "inside"
    while rounds:
        try:
            with run_lock(run):
                descriptor = os.open(inside, os.O_CREAT | os.O_EXCL)  # fails where another holds the lock too
                os.close(descriptor)
                inside.unlink()
        except BusyError:
            continue
        rounds -= 1
        with worked.get_lock():
            worked.value += 1


def test_holders_that_take_turns_are_never_two(tmp_path):
    # the file is removed at each release: whoever opened it before must not believe in it
    context = multiprocessing.get_context("spawn")
    worked = context.Value("i", 0)
    processes = [context.Process(target=_count, args=(tmp_path / "run", 100, worked)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=100)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert worked.value == 300
