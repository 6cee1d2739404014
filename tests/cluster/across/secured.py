"""The same with TLS and passwords towards the store and the backplane; and without the right ones, not at all."""

import os
import subprocess
import tempfile

from certificates import Certificates
from cluster import Cluster, scenario
from scenarios.chat import leave_all
from scenarios.device_commands import waiting
from scenarios.devices import fresh
from across.rooms import room_over
from server import Server

# A node that cannot begin says so within this, in seconds.
GIVES_UP_S = 60


def does_not_start(store, bus):
    """What a node says that is given these addresses: it must end by itself, and keep what is secret to itself."""
    with tempfile.TemporaryDirectory(prefix="bongsu-refused-") as folder:
        done = subprocess.run(
            [Server.binary, "serve", "--data-dir", folder, "--http", "127.0.0.1:0", "--tcp", "127.0.0.1:0"],
            env={**os.environ, "BONGSU_STORE": store, "BONGSU_BUS": bus}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=GIVES_UP_S,
        )
    assert done.returncode == 1 and not done.stdout, (done.returncode, done.stdout, done.stderr[-1_000:])
    assert done.stderr.strip(), "not a word why"
    return done.stderr


@scenario()
def nodes_speak_tls_and_sign_in(_):
    with Cluster(count=2, secured=True) as cluster:
        room, (a, b) = room_over(cluster, 1_601, 1_602)
        assert a.post(room, "through two doors") == b.expect("NEW_MESSAGE", content="through two doors")
        car = fresh()
        with cluster[2].device(car, "json") as device:
            call = waiting(cluster[1], car, wait="done")
            device.does("window.set")
            assert call.answered(200)["state"] == "succeeded"
        # They come back with TLS and password, too.
        cluster.backplane.restart()
        cluster.whole()
        assert b.post(room, "again") == a.expect("NEW_MESSAGE", content="again")
        leave_all([a, b])
        secrets = (cluster.postgres.password, cluster.backplane.password)
        for node in cluster:
            assert not any(secret in node.log_tail(1 << 20) for secret in secrets), "a password in the log"
        refused(cluster)


def refused(cluster):
    """Whoever has a wrong password, or trusts another authority, does not get in; nor does one who speaks no TLS."""
    store, bus = cluster.store, cluster.backplane.url
    wrong = "not-the-password"
    with tempfile.TemporaryDirectory(prefix="bongsu-other-ca-") as folder:
        other = str(Certificates(folder).ca)
        for backing, address, pair in (
            (cluster.postgres, store, lambda it: (it, bus)),
            (cluster.backplane, bus, lambda it: (store, it)),
        ):
            said = does_not_start(*pair(address.replace(backing.password, wrong)))
            assert wrong not in said and backing.password not in said, said
            said = does_not_start(*pair(address.replace(str(backing.certificates.ca), other)))
            assert backing.password not in said, said
