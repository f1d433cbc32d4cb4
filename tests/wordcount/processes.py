#!/usr/bin/env python3
"""Runs the built word count as several processes on this machine and checks what it counts and how it ends. See --help."""
import argparse
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time

LIMIT = 60  # seconds that anything here may take; what hangs fails with a message

COREUTILS = r"""while IFS= read -r -d '' f; do cat <"$f"; echo; done <"$1" |
tr -cs 'A-Za-z' '\n' | tr 'A-Z' 'a-z' | { grep . || true; } | sort | uniq -c"""


def free_ports(count):
    """Ports nobody listens on, below those the system gives away by itself."""
    ports = set()
    while len(ports) < count:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                ports.add(port)
            except OSError:
                pass
    return sorted(ports)


def check(condition, what):
    if not condition:
        raise AssertionError(what)


class Cluster:
    """Nodes n1, n2, ... of which n1 is the coordinator; every process it starts is gone when it is closed."""

    def __init__(self, options, nodes):
        self.program, self.work = options.program, options.work
        self.certs = self.make_certs(options.dev_certs, "certs", nodes)
        self.dev_certs = options.dev_certs
        self.ports = free_ports(nodes)
        self.processes = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    def make_certs(self, tool, name, nodes):
        folder = os.path.join(self.work, name)
        subprocess.run([tool, folder] + [f"n{i + 1}" for i in range(nodes)], check=True, timeout=LIMIT)
        return folder

    def flags(self, node, certs=None):
        certs = certs or self.certs
        flags = ["--name", f"n{node}", "--listen", f"127.0.0.1:{self.ports[node - 1]}", "--ca", f"{certs}/ca.crt",
                 "--cert", f"{certs}/n{node}.crt", "--key", f"{certs}/n{node}.key"]
        for i, port in enumerate(self.ports):
            flags += ["--member", f"n{i + 1}=127.0.0.1:{port}"]
        return flags

    def start(self, arguments, **streams):
        process = subprocess.Popen([self.program] + arguments, stdin=subprocess.DEVNULL, text=True, **streams)
        self.processes.append(process)
        return process

    def start_node(self, node):
        process = self.start(["node"] + self.flags(node), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        line = process.stdout.readline()
        check(line == f"node n{node} ready on 127.0.0.1:{self.ports[node - 1]}\n", f"n{node} said {line!r}")
        return process

    def start_nodes(self):
        return [self.start_node(i) for i in range(2, len(self.ports) + 1)]

    def count(self, inputs, extra=(), certs=None):
        """Runs a count to its end. Gives the exit code, stdout and stderr."""
        process = self.start(["count"] + self.flags(1, certs) + list(extra) + ["--"] + inputs, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        out, err = process.communicate(timeout=LIMIT)
        return process.returncode, out, err

    def results(self):
        return ["--counts-out", os.path.join(self.work, "counts"), "--files-out", os.path.join(self.work, "files")]

    def count_and_verify(self, inputs, extra=(), expected_code=0):
        code, out, err = self.count(inputs, self.results() + list(extra))
        check(code == expected_code, f"exit code {code}:\n{out}\n{err}")
        return out, err, self.verify()

    def verify(self):
        """Compares the results of the last count with those of coreutils. Gives the files counted."""
        _, counts, _, files = self.results()
        expected = subprocess.run(["bash", "-c", COREUTILS, "bash", files], env={**os.environ, "LC_ALL": "C"}, check=True,
                                  stdout=subprocess.PIPE, timeout=LIMIT).stdout
        with open(counts, "rb") as file:
            got = file.read()
        if got != expected:
            for ours, theirs in zip(got.split(b"\n"), expected.split(b"\n")):
                check(ours == theirs, f"first difference: {ours!r}, coreutils has {theirs!r}")
            check(False, f"{len(got)} bytes of counts, coreutils has {len(expected)}")
        with open(files, "rb") as file:
            return file.read().split(b"\0")[:-1]

    def stop(self, process, number=signal.SIGTERM, seconds=2.0):
        """Sends a signal; the process must end in time. Gives the exit code and the rest of stdout."""
        start = time.monotonic()
        process.send_signal(number)
        out, _ = process.communicate(timeout=LIMIT)
        took = time.monotonic() - start
        check(took < seconds, f"it took {took:.1f} s to stop")
        return process.returncode, out


def write(folder, name, content):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)
    return path


def make_input(work):
    """Files with all that is awkward: words across chunks, none, huge ones, any bytes, odd names."""
    folder = os.path.join(work, "input")
    chance = random.Random(1)
    words = [bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJ", k=chance.randrange(1, 12))) for _ in range(5000)]
    write(folder, "text", b" ".join(chance.choices(words, k=200_000)))  # several chunks, no line feed at the end
    write(folder, "lines", b"\n".join(chance.choices(words, k=50_000)) + b"\n")
    write(folder, "binary", chance.randbytes(1_000_000))
    write(folder, "one word", b"Loooong" * 100_000)
    write(folder, "long words", b" ".join(b"xY" * n for n in (150_000, 1, 300_000)))
    write(folder, "empty", b"")
    write(folder, "no words", b"0123456789\n" * 1000)
    write(folder, "deep/er/name with\nline feed", b"half a wo")
    write(folder, "deep/er/next", b"rd, and its other half")
    for i in range(300):
        write(folder, f"small/{i}", b"The small file number %d" % i)
    os.symlink("text", os.path.join(folder, "link"))
    return folder


def counts_like_coreutils(options):
    folder = make_input(options.work)
    with Cluster(options, 3) as cluster:
        nodes = cluster.start_nodes()
        out, err, files = cluster.count_and_verify([folder])
        check(len(files) == 310, f"{len(files)} files")
        check(re.search(r"\n310 files, [\d,]+ bytes, [\d,]+ words, [\d,]+ distinct\n", out), out)
        check(re.search(r"\n[\d,]+ messages with [\d,]+ bytes crossed the wire\n", out), out)
        check("mapped again" not in out + err, "nothing was lost, yet chunks were mapped again:\n" + err)
        cluster.count_and_verify([folder])  # nodes serve more than one job
        for number, node in ((2, nodes[0]), (3, nodes[1])):
            code, last = cluster.stop(node)
            check(code == 0 and f"node n{number} leaves: it mapped " in last, f"exit code {code}: {last}")


def counts_on_one_node(options):
    folder = make_input(options.work)
    with Cluster(options, 1) as cluster:
        cluster.count_and_verify([folder])


def survives_a_killed_node(options):
    folder = make_input(options.work)
    with Cluster(options, 3) as cluster:
        nodes = cluster.start_nodes()
        out, err, _ = cluster.count_and_verify([folder], ["--kill-at-third", str(nodes[1].pid)])
        check(nodes[1].wait(LIMIT) == -signal.SIGKILL, "n3 was not killed")
        check(re.search(r"^node n3 is down: .*; its shards move to n1, n2$", err, re.M), err)
        check("; n3 did not answer\n" in out, out)
        check(cluster.stop(nodes[0])[0] == 0, "n2 did not stop well")


def survives_a_restarted_node(options):
    folder = make_input(options.work)
    with Cluster(options, 3) as cluster:
        nodes = cluster.start_nodes()
        count = cluster.start(["count"] + cluster.flags(1) + cluster.results() +
                              ["--kill-at-third", str(nodes[1].pid), folder],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for line in count.stderr:
            if "killed process" in line:
                nodes[1].wait(LIMIT)
                cluster.start_node(3)
        check(count.wait(LIMIT) == 0, f"exit code {count.returncode}")
        cluster.verify()


def survives_a_lost_coordinator(options):
    """Its nodes forget its job and serve the next one, also when that comes from the same node."""
    os.makedirs(options.work, exist_ok=True)
    large = os.path.join(options.work, "large")
    with open(large, "wb") as file:
        file.truncate(2 << 30)
    with Cluster(options, 2) as cluster:
        cluster.start_nodes()
        count = cluster.start(["count"] + cluster.flags(1) + [large], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for line in count.stderr:
            if re.match(r" *\d+ %", line):
                break
        count.kill()
        count.wait(LIMIT)
        cluster.count_and_verify([write(options.work, "small", b"the node is still there")])


def ends_on_interrupt(options):
    os.makedirs(options.work, exist_ok=True)
    large = os.path.join(options.work, "large")
    with open(large, "wb") as file:
        file.truncate(64 << 30)  # without blocks on disk; nobody counts it to its end
    with Cluster(options, 3) as cluster:
        nodes = cluster.start_nodes()
        count = cluster.start(["count"] + cluster.flags(1) + [large], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for line in count.stderr:
            if re.match(r" *\d+ %", line):
                break
        start = time.monotonic()
        count.send_signal(signal.SIGINT)
        out, err = count.communicate(timeout=LIMIT)
        check(time.monotonic() - start < 2, "it took more than 2 s to stop")
        check(count.returncode == 130 and out == "" and "interrupted" in err, f"{count.returncode}: {out}{err}")
        small = write(options.work, "small", b"the nodes are still there")
        cluster.count_and_verify([small])
        for node in nodes:
            check(cluster.stop(node, signal.SIGINT)[0] == 0, "a node did not stop well")


def names_bad_input(options):
    good = write(options.work, "good", b"Good words")
    endless = write(options.work, "endless", b"w" * (17 << 20))
    with Cluster(options, 2) as cluster:
        cluster.start_nodes()
        missing = os.path.join(options.work, "missing")
        _, err, files = cluster.count_and_verify([good, missing, endless, "/dev/null"], expected_code=2)
        check(files == [good.encode()], str(files))
        for path in (missing, endless, "/dev/null"):
            check(re.search(rf"^wordcount: cannot read {re.escape(path)}: .+ \[\w+ [0-9A-Z]{{4}}\]$", err, re.M), err)
        code, out, err = cluster.count([missing])
        check(code == 2 and out == "" and "nothing to count" in err, f"{code}: {out}{err}")
        code, _, err = cluster.count([])
        check(code == 64 and "FILE|DIR is required" in err, f"{code}: {err}")


def names_a_missing_node(options):
    good = write(options.work, "good", b"Good words")
    with Cluster(options, 3) as cluster:
        cluster.start_node(2)
        code, out, err = cluster.count([good], ["--wait", "1"])
        check(code == 1 and out == "" and "missing: n3" in err and "is it running?" in err, f"{code}: {out}{err}")
        _, err, _ = cluster.count_and_verify([good], ["--wait", "1", "--allow-missing"])
        check("counting without n3\n" in err, err)


def names_a_wrong_certificate(options):
    good = write(options.work, "good", b"Good words")
    with Cluster(options, 2) as cluster:
        cluster.start_nodes()
        strangers = cluster.make_certs(cluster.dev_certs, "strangers", 2)
        code, out, err = cluster.count([good], ["--wait", "1"], certs=strangers)
        check(code == 1 and out == "" and "use certificates of one CA on all nodes" in err, f"{code}: {out}{err}")
        for line in err.splitlines():
            check(line.startswith("wordcount: "), f"not ours: {line}")
        cluster.count_and_verify([good])  # with the right ones


def names_a_port_in_use(options):
    good = write(options.work, "good", b"Good words")
    with Cluster(options, 1) as cluster, socket.socket() as taken:
        taken.bind(("127.0.0.1", cluster.ports[0]))
        taken.listen()
        code, out, err = cluster.count([good])
        check(code == 1 and out == "" and f"127.0.0.1:{cluster.ports[0]}" in err and "in use" in err, f"{code}: {out}{err}")


def reads_a_configuration_file(options):
    good = write(options.work, "good", b"Good words")
    with Cluster(options, 2) as cluster:
        members = ",\n          ".join(f'"n{i + 1}=127.0.0.1:{port}"' for i, port in enumerate(cluster.ports))
        config = write(options.work, "wordcount.toml", f'ca = "{cluster.certs}/ca.crt"\nmember = [{members}]\n'.encode())

        def flags(node):
            return [f"--config={config}", f"--name=n{node}", f"--listen=127.0.0.1:{cluster.ports[node - 1]}",
                    f"--cert={cluster.certs}/n{node}.crt", f"--key={cluster.certs}/n{node}.key"]

        node = cluster.start(["node"] + flags(2), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        check(node.stdout.readline().startswith("node n2 ready on "), "n2 did not start")
        count = cluster.start(["count"] + flags(1) + ["--top=1", good], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = count.communicate(timeout=LIMIT)
        check(count.returncode == 0 and "1  good\n1 file," in out, f"{count.returncode}: {out}{err}")


CASES = {case.__name__: case for case in (
    counts_like_coreutils, counts_on_one_node, survives_a_killed_node, survives_a_restarted_node,
    survives_a_lost_coordinator, ends_on_interrupt, names_bad_input,
    names_a_missing_node, names_a_wrong_certificate, names_a_port_in_use, reads_a_configuration_file)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, epilog="Cases: " + ", ".join(CASES))
    parser.add_argument("--program", required=True, help="the wordcount to run")
    parser.add_argument("--dev-certs", required=True, help="tools/dev-certs.sh")
    parser.add_argument("--work", required=True, help="a folder for this run's files; emptied first")
    parser.add_argument("case", choices=CASES, metavar="CASE")
    options = parser.parse_args()
    options.work = os.path.join(options.work, options.case)
    subprocess.run(["rm", "-rf", options.work], check=True)
    os.makedirs(options.work)
    try:
        CASES[options.case](options)
    except (AssertionError, subprocess.TimeoutExpired) as failure:
        sys.exit(f"{options.case}: {failure}")
    subprocess.run(["rm", "-rf", options.work], check=True)


if __name__ == "__main__":
    main()
