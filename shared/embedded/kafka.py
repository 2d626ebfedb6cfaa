"""Apache Kafka (KRaft) as child processes on this machine's loopback: one node for `pulseline up`, N for tests."""

import base64
import signal
import socket
import struct
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from shared.embedded.jars import Progress, aot_cache, class_path, java_command
from shared.embedded.process import StartError, free_ports, is_port_free, kill, spawn, stop, wait_until

# 256 MB of heap carries the whole product on one machine; a serial collector and the first compiler tier start fastest.
_JVM = (
    "-Xmx256m",
    "-Xms64m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
    "-Dlog4j2.shutdownHookEnabled=false",
)
# A node that ends is noticed at once; one that shares a small machine with a first start took more than a minute.
_START_TIMEOUT_S = 180.0
_STOP_GRACE_S = 15.0
_LOG_SETTINGS = Path(__file__).with_name("kafka.log4j2.xml")


class EmbeddedKafka:
    """One or more Kafka nodes, each broker and controller, that keep their data under `data_dir` between starts.

    `ports` are the brokers' client ports, chosen free when not given and kept over restarts. `settings` are broker
    properties and `jvm_options` options of Java on top of ours. All methods block; from a coroutine call them through
    `asyncio.to_thread`.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        nodes: int = 1,
        ports: Sequence[int] | None = None,
        log_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
        jvm_options: Sequence[str] = (),
    ) -> None:
        if ports is not None and len(ports) != nodes:
            raise ValueError(f"{nodes} nodes need {nodes} ports, not {len(ports)}")
        self._data_dir = data_dir
        self._log_dir = log_dir or data_dir
        self._settings = dict(settings or {})
        self._jvm_options = tuple(jvm_options)
        free = free_ports(2 * nodes)
        self._ports = list(ports) if ports is not None else free[:nodes]
        self._controller_ports = free[nodes:]
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    @property
    def bootstrap(self) -> str:
        """The bootstrap servers, `host:port` of every node separated by commas."""
        return ",".join(f"127.0.0.1:{port}" for port in self._ports)

    @property
    def nodes(self) -> range:
        return range(len(self._ports))

    def port(self, node: int = 0) -> int:
        """Return the client port of `node`."""
        return self._ports[node]

    def pid(self, node: int = 0) -> int | None:
        """Return the process id of `node`, None while it is down."""
        process = self._processes.get(node)
        return process.pid if process is not None and process.poll() is None else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, progress: Progress | None = None) -> None:
        """Start every node that is down and return when each answers and knows all the others.

        Raises StartError (with the end of the node's log), JarError or JavaError.
        """
        jars = class_path(progress)
        try:
            for node in self.nodes:
                self._launch(node, jars)
            for node in self.nodes:
                self._wait(node)
        except BaseException:
            self.kill()
            raise

    def start_node(self, node: int) -> None:
        """Start one node that is down and return when it answers and knows all nodes that are up."""
        self._launch(node, class_path())
        self._wait(node)

    def stop(self, grace_s: float = _STOP_GRACE_S) -> None:
        """Stop every node cleanly; a node that does not stop in the grace period is killed."""
        running = [process for process in self._processes.values() if process.poll() is None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            stop(process, signal.SIGTERM, grace_s)
        self._processes.clear()

    def kill(self) -> None:
        """Kill every node at once, as a power cut would."""
        for node in list(self._processes):
            self.kill_node(node)

    def kill_node(self, node: int) -> None:
        """Kill one node at once."""
        kill(self._processes.pop(node))

    def restart(self) -> None:
        """Stop cleanly and start again on the same ports and data."""
        self.stop()
        self.start()

    def pause_node(self, node: int) -> None:
        """Freeze one node: its sockets stay open and nothing answers, as on a hung machine or a cut network."""
        self._processes[node].send_signal(signal.SIGSTOP)

    def resume_node(self, node: int) -> None:
        """Let a paused node go on."""
        self._processes[node].send_signal(signal.SIGCONT)

    def _launch(self, node: int, jars: str) -> None:
        if self.pid(node) is not None:
            return
        # Another broker on the port would answer our waiting for this one.
        if not is_port_free(self._ports[node]):
            raise StartError(f"port {self._ports[node]} is in use, Kafka node {node} cannot have it")
        folder = self._data_dir / f"node-{node}"
        folder.mkdir(parents=True, exist_ok=True)
        self._log_dir.mkdir(parents=True, exist_ok=True)
        configuration = folder / "server.properties"
        configuration.write_text(self._properties(node, folder), "utf-8")
        java = [
            str(java_command()),
            *_JVM,
            *self._jvm_options,
            *(_recorded(aot) if (aot := aot_cache()) is not None and aot.exists() else ()),
            f"-Dlog4j2.configurationFile={_LOG_SETTINGS.as_uri()}",
            f"-Djava.io.tmpdir={folder}",
            "-cp",
            jars,
        ]
        with ExitStack() as stack:
            log = stack.enter_context(self._log(node).open("ab"))
            if not (folder / "data" / "meta.properties").exists():
                self._format(
                    [*java, "kafka.tools.StorageTool", "format", f"--cluster-id={self._cluster_id()}", "-c"],
                    node,
                    folder,
                )
            self._processes[node] = spawn([*java, "kafka.Kafka", str(configuration)], output=log)

    def _format(self, command: list[str], node: int, folder: Path) -> None:
        done = subprocess.run(
            [*command, str(folder / "server.properties")], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode != 0:
            said = (done.stdout + done.stderr).decode("utf-8", "replace")
            raise StartError(f"formatting the storage of Kafka node {node} failed\n{said}")

    def _cluster_id(self) -> str:
        file = self._data_dir / "cluster.id"
        if not file.exists():
            file.write_text(base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="), "utf-8")
        return file.read_text("utf-8")

    def _log(self, node: int) -> Path:
        return self._log_dir / ("kafka.log" if len(self._ports) == 1 else f"kafka-{node}.log")

    def _wait(self, node: int) -> None:
        address = ("127.0.0.1", self._ports[node])
        up = sum(self.pid(other) is not None for other in self.nodes)
        wait_until(
            lambda: known_brokers(address) >= up,
            timeout_s=_START_TIMEOUT_S,
            what=f"Kafka node {node}",
            process=self._processes[node],
            log=self._log(node),
        )

    def _properties(self, node: int, folder: Path) -> str:
        copies = min(3, len(self._ports))
        voters = (f"{other}@127.0.0.1:{port}" for other, port in enumerate(self._controller_ports))
        properties = {
            "process.roles": "broker,controller",
            "node.id": str(node),
            "controller.quorum.voters": ",".join(voters),
            "listeners": f"PLAINTEXT://127.0.0.1:{self._ports[node]},"
            f"CONTROLLER://127.0.0.1:{self._controller_ports[node]}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self._ports[node]}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(folder / "data"),
            "auto.create.topics.enable": "false",
            "default.replication.factor": str(copies),
            "min.insync.replicas": str(max(1, copies - 1)),
            "offsets.topic.replication.factor": str(copies),
            "transaction.state.log.replication.factor": str(copies),
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": str(copies),
            "share.coordinator.state.topic.min.isr": "1",
            # 50 partitions each by default, made for large clusters: hundreds of files and a slower first group join.
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.num.partitions": "4",
            # A killed node is fenced until its session runs out: 9 s by default, and it cannot come back before.
            # 12-15 s to answer again with the defaults, 5 s with these (2026-11-29, Kafka 4.3), half of that with
            # 1.5 s: too short on a busy machine, where a node missed its own heartbeats and was fenced.
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "500",
            # Nobody else is about to join on a single machine, so the first member need not wait 3 s.
            "group.initial.rebalance.delay.ms": "0",
            # 128 MB by default, half of the heap.
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
            "num.network.threads": "2",
            "num.io.threads": "4",
            **self._settings,
        }
        return "".join(f"{name}={value}\n" for name, value in properties.items())


def _recorded(classes: Path) -> tuple[str, ...]:
    # Java warns line by line of each entry that it would rather make anew.
    return f"-XX:AOTCache={classes}", "-Xlog:disable", "-Xlog:all=error"


def known_brokers(address: tuple[str, int], timeout_s: float = 1.0) -> int:
    """Return how many brokers the one at `address` says the cluster has; 0 when it does not answer yet.

    Source: Kafka protocol guide, Metadata request and response version 5 (no topics asked for).
    """
    client = b"pulseline-wait"
    header = struct.pack(">hhih", 3, 5, 1, len(client)) + client
    request = header + struct.pack(">i?", 0, False)
    try:
        with socket.create_connection(address, timeout_s) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            (size,) = struct.unpack(">i", _receive(connection, 4))
            body = _receive(connection, size)
    except OSError:
        return 0
    _correlation, _throttle_ms, brokers = struct.unpack_from(">iii", body)
    return int(brokers)


def _receive(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = connection.recv(size - len(received))
        if not chunk:
            raise ConnectionResetError("closed in mid-answer")
        received += chunk
    return received
