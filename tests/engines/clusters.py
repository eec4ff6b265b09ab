"""Real servers of Spark on loopback: a standalone master with two workers, and a Connect server on that cluster."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
# For processes that live some minutes: what a better compiler would save later, it costs first.
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
WORKERS = 2
_START_SECONDS = 120
_QUIET = "rootLogger.level = error\nrootLogger.appenderRef.stdout.ref = console\nappender.console.type = Console\n"
_QUIET += "appender.console.name = console\nappender.console.target = SYSTEM_ERR\nappender.console.layout.type"
_QUIET += " = PatternLayout\nappender.console.layout.pattern = %d %p %c: %m%n\n"


@dataclass
class Cluster:
    """A running master with its workers.

    Attributes:
        url: Of the master.
        workers: Their processes, which a test may kill.
    """

    url: str
    folder: Path
    environment: Mapping[str, str]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    others: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add_worker(self) -> subprocess.Popen[bytes]:
        """One more worker with one core."""
        number = len(self.workers)
        place = self.folder / f"worker-{number}"
        words = ["--host", HOST, "--webui-port", "0", "--cores", "1", "--memory", "1g", "--work-dir", str(place)]
        process = self._start(f"worker-{number}", "org.apache.spark.deploy.worker.Worker", *words, self.url)
        self.workers.append(process)
        return process

    def connect(self, zone: str, settings: Mapping[str, str]) -> str:
        """A Connect server on the cluster; its address."""
        port = free_port()
        words = ["--master", self.url, "--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
        every = {**settings, "spark.connect.grpc.binding.port": str(port), "spark.connect.grpc.binding.address": HOST}
        for name, value in {**every, "spark.driver.extraJavaOptions": f"-Duser.timezone={zone}"}.items():
            words += ["--conf", f"{name}={value}"]
        self.others.append(self._start("connect", "org.apache.spark.deploy.SparkSubmit", *words, "spark-internal"))
        wait_for(port)
        return f"sc://{HOST}:{port}"

    def _start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [str(spark_home() / "bin" / "spark-class"), *words],
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def master(self, port: int) -> None:
        """Start the master."""
        words = ["--host", HOST, "--port", str(port), "--webui-port", "0"]
        self.others.append(self._start("master", "org.apache.spark.deploy.master.Master", *words))
        wait_for(port)

    def stop(self) -> None:
        """End every process, and what those started."""
        for process in [*self.others, *self.workers]:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def cluster(folder: Path, given: Mapping[str, str]) -> Iterator[Cluster]:
    """A master and two workers as processes of their own.

    Args:
        folder: For their files and logs.
        given: What their environment has besides this process's.
    """
    port = free_port()
    settings = folder / "conf"
    settings.mkdir(parents=True)
    (settings / "log4j2.properties").write_text(_QUIET, encoding="utf-8")
    environment = {
        "SPARK_CONF_DIR": str(settings),
        "SPARK_LOCAL_IP": HOST,
        "SPARK_LOCAL_DIRS": str(folder / "spill"),
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_DAEMON_JAVA_OPTS": JAVA,
        **given,
    }
    made = Cluster(f"spark://{HOST}:{port}", folder, environment)
    try:
        made.master(port)
        for _ in range(WORKERS):
            made.add_worker()
        yield made
    finally:
        made.stop()


def spark_home() -> Path:
    """Where the package has Spark."""
    import pyspark

    return Path(pyspark.__file__).parent


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])


def wait_for(port: int) -> None:
    """Until something listens on a port.

    Raises:
        TimeoutError: Nothing does.
    """
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.2)
    raise TimeoutError(f"nothing listens on port {port}")
