"""Inside a network of its own: `python3 tunnel.py SOCKET` takes connections and carries them out through that socket.

Says the port it listens on. On stdin: `cut` has every packet of this network vanish, `mend` lets them through again; each
is said back when it is done.
"""

import socket
import subprocess
import sys
import threading

from cut import Line


def carry(listener, path, goes):
    while True:
        near, _ = listener.accept()
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(path)
        except OSError:
            near.close()
        else:
            Line(near, far, goes)


def main(path):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    goes = threading.Event()
    goes.set()
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=carry, args=(listener, path, goes), daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    for line in sys.stdin:
        way = {"cut": ["add", "dev", "lo", "root", "blackhole"], "mend": ["del", "dev", "lo", "root"]}[line.strip()]
        subprocess.run(["tc", "qdisc", *way], check=True)
        print(line.strip(), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
