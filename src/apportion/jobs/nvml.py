"""The GPUs of this host, as NVIDIA's management library tells of them.

The library comes with the driver; its Python side is `nvidia-ml-py` (the extra `gpu`), loaded when it is needed.
Source: nvidia-ml-py 13.615.71 and the NVML API reference, read 2026-11-27.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple


class Gpu(NamedTuple):
    """A GPU at a moment.

    Attributes:
        uuid: Of it.
        number: On this host, in the order of the buses.
        model: Its name.
        memory_bytes: That it has.
        busy_percent: How busy it is, from 0 to 100; None where it does not say.
        processes: The bytes of its memory that each process uses, by the process's id; None where it does not say.
        sliced: Whether it is cut into slices (MIG), which are not told apart here.
    """

    uuid: str
    number: int
    model: str
    memory_bytes: int
    busy_percent: int | None
    processes: Mapping[int, int | None]
    sliced: bool = False


class NoGpusError(Exception):
    """There is nothing to measure with; the text says why."""


class Nvml:
    """The library, opened.

    Raises:
        NoGpusError: It is not there, or finds no driver.
    """

    def __init__(self) -> None:
        try:
            self._library: Any = import_module("pynvml")
        except ImportError:
            raise NoGpusError("nvidia-ml-py is not installed (`pip install 'apportion[gpu]'`)") from None
        try:
            self._library.nvmlInit()
        except self._library.NVMLError as error:
            raise NoGpusError(f"NVML: {error}") from error

    def look(self) -> list[Gpu]:
        """Every GPU as it is now.

        Raises:
            NoGpusError: The driver does not answer.
        """
        library = self._library
        try:
            return [self._gpu(number) for number in range(library.nvmlDeviceGetCount())]
        except library.NVMLError as error:
            raise NoGpusError(f"NVML: {error}") from error

    def _gpu(self, number: int) -> Gpu:
        library = self._library
        handle = library.nvmlDeviceGetHandleByIndex(number)
        running = library.nvmlDeviceGetComputeRunningProcesses(handle)
        processes: dict[int, int | None] = {}
        for each in running:
            # A process with several contexts, or in several slices, is listed for each.
            before = processes.get(each.pid, 0)
            known = each.usedGpuMemory is not None and before is not None
            processes[each.pid] = before + each.usedGpuMemory if known else None
        return Gpu(
            uuid=library.nvmlDeviceGetUUID(handle),
            number=number,
            model=library.nvmlDeviceGetName(handle),
            memory_bytes=library.nvmlDeviceGetMemoryInfo(handle).total,
            busy_percent=self._busy(handle),
            processes=processes,
            sliced=self._sliced(handle),
        )

    def _busy(self, handle: Any) -> int | None:
        try:
            return int(self._library.nvmlDeviceGetUtilizationRates(handle).gpu)
        except self._library.NVMLError:
            return None

    def _sliced(self, handle: Any) -> bool:
        try:
            return bool(self._library.nvmlDeviceGetMigMode(handle)[0])
        except self._library.NVMLError:
            return False
