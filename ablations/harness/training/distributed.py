"""One run over several processes, a GPU each, on one machine or more: DistributedDataParallel under torchrun.

Process 0 alone writes files. All communication beside gradients goes through one exchange, in which a failed process
sends its error instead: whatever the others wait for then raises that error, and the study continues. Inside a
`collective_section` processes meet in gradient reductions, which can't carry errors: a failure there ends all.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.distributed_c10d import Store
from torch.distributed.rendezvous import rendezvous
from torch.nn.parallel import DistributedDataParallel

COMMAND = "torchrun --nproc-per-node N -m ablations.run STUDY --launcher torchrun"

_TIMEOUT = timedelta(days=7)  # others wait while process 0 takes measures; a run that hangs has its own watchdog
_POLL_S = 0.5
_ERROR_ROW_TIMEOUT_S = 10.0  # for process 0 to write the error row before torchrun ends it
_ERROR, _ERROR_ROW_WRITTEN = "dfpir/error", "dfpir/written"


class PeerError(RuntimeError):
    """Another process of this run, `rank`, failed; `kind` is the name of its error's class, `trace` its traceback."""

    def __init__(self, rank: int, kind: str, message: str, trace: str) -> None:
        super().__init__(f"process {rank}: {message}")
        self.rank, self.kind, self.trace = rank, kind, trace


class ProcessGroup:
    """The processes that work on one run: here this one alone."""

    rank = 0
    size = 1
    device = torch.device("cpu")
    uses_ddp = False
    """Whether DistributedDataParallel wraps what is trained: see `wrap_ddp`."""

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints."""
        return self.rank == 0

    def shard(self, count: int) -> tuple[slice, float]:
        """This process's samples of a batch of `count`, and what share of the batch they are.

        Where there are more processes than samples, some take the first one with a share of nothing: all must take
        part in a reduction.
        """
        start, stop = (count * rank // self.size for rank in (self.rank, self.rank + 1))
        return (slice(start, stop), (stop - start) / count) if stop > start else (slice(0, 1), 0.0)

    def barrier(self) -> None:
        """Wait for all processes.

        Raises:
            PeerError: another process failed.
        """

    def any(self, value: bool) -> bool:
        """Whether the value is true in any process."""
        return value

    def all_reduce_sum(self, value: float) -> float:
        """The sum over processes, the same bits in each."""
        return value

    def all_gather(self, values: Sequence[Any]) -> list[Any]:
        """The values of all processes, in the order of ranks; JSON-ready."""
        return list(values)

    def broadcast_bytes(self, read: Callable[[], bytes | None]) -> bytes | None:
        """The bytes that process 0 reads."""
        return read()

    def wrap_ddp(self, loss: nn.Module) -> DistributedDataParallel | None:
        """`loss` with gradients summed over processes in its backward pass; None without other processes."""
        return None

    @contextmanager
    def collective_section(self) -> Iterator[None]:
        """Around a pass in which gradients are reduced: a failure inside ends all processes."""
        yield

    def broadcast_error(self, error: BaseException) -> None:
        """Send the others this process's error; inside a collective section, end all."""

    @contextmanager
    def on_peer_failure(self, on_error: Callable[[PeerError], None]) -> Iterator[None]:
        """While inside: `on_error` is called, in process 0, before a failure elsewhere ends it."""
        yield

    def shutdown(self) -> None:
        """End the group: no run follows."""


SINGLE_PROCESS = ProcessGroup()


class TorchProcessGroup(ProcessGroup):
    """The processes that torchrun started, which all reach the store; GPUs speak NCCL, all else Gloo."""

    uses_ddp = True  # with one process as well

    def __init__(self, store: Store, *, rank: int, size: int, device: torch.device) -> None:
        self.rank, self.size, self.device = rank, size, device
        self._store = store.clone()
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=store, rank=rank, world_size=size)
        self._control: Any = dist.new_group(backend="gloo", timeout=_TIMEOUT)
        self._in_collective = False
        self._on_peer_error: Callable[[PeerError], None] = lambda error: None
        if self.is_main:
            threading.Thread(target=self._watch_for_peer_errors, daemon=True).start()

    def barrier(self) -> None:
        self._exchange(b"")

    def any(self, value: bool) -> bool:
        return any(self._exchange(b"1" if value else b""))

    def all_reduce_sum(self, value: float) -> float:
        total: float = sum(self.all_gather([value]))
        return total

    def all_gather(self, values: Sequence[Any]) -> list[Any]:
        return [item for message in self._exchange(json.dumps(list(values)).encode()) for item in json.loads(message)]

    def broadcast_bytes(self, read: Callable[[], bytes | None]) -> bytes | None:
        content = read() if self.is_main else None
        (length,) = self.all_gather([-1 if content is None else len(content)] if self.is_main else [])
        if length < 0:
            return None
        received = (
            torch.frombuffer(bytearray(content), dtype=torch.uint8)
            if content
            else torch.empty(length, dtype=torch.uint8)
        )
        dist.broadcast(received, src=0, group=self._control)
        return content if content is not None else received.numpy().tobytes()

    def wrap_ddp(self, loss: nn.Module) -> DistributedDataParallel | None:
        # a model in stages, or one with routes, uses other parameters in other steps
        warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")  # depth-wise layers
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")  # in 2.15; 2.6 has no other
        ddp = DistributedDataParallel(
            loss,
            device_ids=[self.device] if self.device.type == "cuda" else None,
            broadcast_buffers=False,
            find_unused_parameters=True,
        )
        ddp.register_comm_hook(None, _sum_gradients)
        return ddp

    @contextmanager
    def collective_section(self) -> Iterator[None]:
        self._in_collective = True
        yield
        self._in_collective = False  # not after an error: `broadcast_error` must know where it happened

    def broadcast_error(self, error: BaseException) -> None:
        if isinstance(error, PeerError):
            return  # all processes have received it
        if self._in_collective:
            self._abort_all(error)
        with suppress(RuntimeError):  # the others have ended: torchrun ends this process, too
            self._exchange(b"", error)

    @contextmanager
    def on_peer_failure(self, on_error: Callable[[PeerError], None]) -> Iterator[None]:
        self._on_peer_error = on_error
        try:
            yield
        finally:
            self._on_peer_error = lambda error: None

    def broadcast_next_run(self, digest: str | None = None) -> str | None:
        """Broadcast from process 0 which run comes next; None ends the group."""
        return str(self.all_gather([digest or ""] if self.is_main else [])[0]) or None

    def shutdown(self) -> None:
        with suppress(RuntimeError):  # the others may have ended
            if self.is_main:
                self.broadcast_next_run(None)
            dist.destroy_process_group()

    def _exchange(self, payload: bytes, error: BaseException | None = None) -> list[bytes]:
        """The payloads of all processes, in the order of ranks.

        Raises:
            PeerError: another process failed.
        """
        message = payload if error is None else _encode_error(error)
        header = torch.tensor([len(message), int(error is not None)])
        headers = [torch.empty_like(header) for _ in range(self.size)]
        dist.all_gather(headers, header, group=self._control)
        lengths = [int(header[0]) for header in headers]
        messages = [b""] * self.size
        if max(lengths):
            padded = torch.zeros(max(lengths), dtype=torch.uint8)
            padded[: len(message)] = torch.frombuffer(bytearray(message), dtype=torch.uint8) if message else padded[:0]
            received = [torch.empty_like(padded) for _ in range(self.size)]
            dist.all_gather(received, padded, group=self._control)
            messages = [part[:length].numpy().tobytes() for part, length in zip(received, lengths, strict=True)]
        failed = [rank for rank, header in enumerate(headers) if int(header[1])]
        if failed and error is None:
            raise _decode_error(failed[0], messages[failed[0]])
        return messages

    def _abort_all(self, error: BaseException) -> None:
        if self.is_main:  # its row is written: run_one does so first
            _print_abort(str(error))
        else:
            self._store.set(_ERROR, json.dumps([self.rank, _encode_error(error).decode()]))
            with suppress(RuntimeError):
                self._store.wait([_ERROR_ROW_WRITTEN], timedelta(seconds=_ERROR_ROW_TIMEOUT_S))
        os._exit(1)

    def _watch_for_peer_errors(self) -> None:
        """In process 0, which may itself be stuck in a reduction: write a failed process's error row, and end all."""
        pause = threading.Event()
        with suppress(RuntimeError):  # the store has closed: all processes end
            while not self._store.check([_ERROR]):
                pause.wait(_POLL_S)
            rank, message = json.loads(self._store.get(_ERROR))
            error = _decode_error(rank, message.encode())
            self._on_peer_error(error)
            _print_abort(str(error))
            self._store.set(_ERROR_ROW_WRITTEN, "1")
            os._exit(1)


def init_from_torchrun(device: torch.device) -> TorchProcessGroup:
    """Join the process group that torchrun started; on `cuda` each process takes the GPU of its local rank.

    Raises:
        ValueError: torchrun did not start this process, or there is no GPU for it.
    """
    rank, size, local_rank = (os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    if not (rank.isdecimal() and size.isdecimal() and local_rank.isdecimal()):
        raise ValueError(f"--launcher torchrun is for processes that torchrun starts: {COMMAND}")
    if device.type == "cuda":
        if int(local_rank) >= torch.cuda.device_count():
            raise ValueError(f"Process {rank} has no GPU of its own: --nproc-per-node {torch.cuda.device_count()}.")
        device = torch.device("cuda", int(local_rank))
        torch.cuda.set_device(device)
    store, store_rank, count = next(iter(rendezvous("env://")))
    return TorchProcessGroup(store, rank=store_rank, size=count, device=device)


def is_multi_process() -> bool:
    """Whether torchrun started this process together with others."""
    return "TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1"


@contextmanager
def abort_all_on_error(process_group: ProcessGroup) -> Iterator[None]:
    """Around each process's setup: an error in any ends all, and process 0 reports it.

    Raises:
        ValueError: in process 0, as OSError.
        SystemExit: in the others, silently.
    """
    try:
        yield
        process_group.barrier()
    except (ValueError, OSError, PeerError) as error:
        process_group.broadcast_error(error)
        if not process_group.is_main:
            raise SystemExit(2) from None
        if isinstance(error, PeerError):
            raise ValueError(str(error)) from error
        raise


def _sum_gradients(_: object, bucket: Any) -> torch.futures.Future[Tensor]:
    """The sum, where DDP takes the mean: each process's loss is already weighted by its share of the batch."""
    handle = dist.all_reduce(bucket.buffer(), async_op=True)
    assert handle is not None
    return handle.get_future().then(lambda future: future.value()[0])


_sum_gradients.__annotations__.clear()  # DDP compares them with classes, and ours are strings


def _encode_error(error: BaseException) -> bytes:
    trace = "".join(traceback.format_exception(error))
    return json.dumps([type(error).__name__, str(error), trace]).encode()


def _decode_error(rank: int, message: bytes) -> PeerError:
    kind, text, trace = json.loads(message)
    return PeerError(rank, kind, text, trace)


def _print_abort(reason: str) -> None:
    print(
        f"error: {' '.join(reason.split())} (all processes end; the same command goes on)", file=sys.stderr, flush=True
    )
