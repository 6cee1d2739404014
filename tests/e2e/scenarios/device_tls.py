"""Devices that their certificates name. The certificates are OpenSSL's."""

import atexit
import functools
import pathlib
import shutil
import ssl
import subprocess
import tempfile

import needs
from client import Closed
from device import KINDS, GrpcDevice
from needs import Skipped
from runner import scenario
from scenarios.devices import COMMANDS, fresh, is_online

CAR, URI_CAR = "tls-car-1", "tls:car.2"


@functools.cache
def authority():
    """A folder with our authority, a foreign one, and certificates of both."""
    tool = shutil.which("openssl")
    if not tool:
        raise Skipped("there is no openssl")
    home = tempfile.TemporaryDirectory(prefix="bongsu-e2e-tls-")
    atexit.register(home.cleanup)
    folder = pathlib.Path(home.name)

    def openssl(*words):
        done = subprocess.run([tool, *map(str, words)], cwd=folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def signed(name, by, subject, *extensions):
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]
        openssl("req", "-new", *new, "-subj", subject, "-out", f"{name}.csr")
        (folder / f"{name}.ext").write_text("\n".join(["basicConstraints=CA:FALSE", *extensions]) + "\n")
        issuer = ["-CA", f"{by}.pem", "-CAkey", f"{by}.key", "-CAcreateserial"]
        openssl("x509", "-req", "-in", f"{name}.csr", *issuer, "-days", 2, "-extfile", f"{name}.ext", "-out", f"{name}.pem")

    for name in ("ca", "foreign"):
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key"]
        openssl("req", "-x509", *new, "-subj", f"/CN={name}", "-days", 2, "-out", f"{name}.pem")
    signed("server", "ca", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1", "extendedKeyUsage=serverAuth")
    client = "extendedKeyUsage=clientAuth"
    signed("car", "ca", f"/CN={CAR}", client)
    signed("uri", "ca", "/CN=whatever", client, f"subjectAltName=URI:bongsu:device:{URI_CAR}")
    signed("stranger", "foreign", f"/CN={CAR}", client)
    return folder


def config():
    folder = authority()
    return (
        f'[server]\nhttps = "127.0.0.1:0"\ntcps = "127.0.0.1:0"\n{COMMANDS}'
        + f'\n[tls]\ncertificate = "{folder}/server.pem"\nkey = "{folder}/server.key"\n'
        + f'client_auth = "optional"\nclient_ca = ["{folder}/ca.pem"]\n'
    )


def device(server, transport, name, token=None):
    """A device with the certificate of that name; None for none."""
    folder, port = authority(), int(server.ready["https"].rsplit(":", 1)[1])
    if transport == "grpc":
        needs.grpc()
        import grpc

        read = lambda file: (folder / file).read_bytes()  # noqa: E731
        pair = {"private_key": read(f"{name}.key"), "certificate_chain": read(f"{name}.pem")} if name else {}
        return GrpcDevice(port, token, credentials=grpc.ssl_channel_credentials(read("ca.pem"), **pair))
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if name:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return KINDS[transport](port, token, tls=context)


def over_tls(function):
    for transport in KINDS:

        def over_one(server, transport=transport):
            function(server, transport)

        over_one.__name__ = f"{function.__name__}__{transport}"
        over_one.__module__ = function.__module__
        scenario(config=config)(over_one)


@over_tls
def a_certificate_names_its_device(server, transport):
    for name, car in (("car", CAR), ("uri", URI_CAR)):
        with device(server, transport, name) as one:
            one.hello(car)
            one.beat()
            assert is_online(server, car)
        with device(server, transport, name) as one:
            one.begin(fresh())
            one.closes(4403, "never")


@over_tls
def a_certificate_of_others_lets_nobody_in(server, transport):
    try:
        with device(server, transport, "stranger") as one:
            one.hello(CAR)
    except (ssl.SSLError, Closed, OSError):
        pass
    else:
        raise AssertionError("a stranger was let in")
    # Without a certificate a token is needed, and is enough.
    with device(server, transport, None) as one:
        one.begin(CAR)
        one.closes(4401, "never")
    with device(server, transport, None, token=server.token(CAR, role="device")) as one:
        one.hello(CAR)
        one.beat()
