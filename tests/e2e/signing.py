"""Signs tokens as foreign issuers do: HS256, RS256, ES256, EdDSA, from their papers. Slow, and for tests only."""

import base64
import hashlib
import hmac
import json
import random


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def token(key, claims, header=None):
    """A token of these claims. `header` replaces or (None) removes members of the header."""
    head = {"alg": key.algorithm, "typ": "JWT", "kid": key.kid, **(header or {})}
    head = {name: value for name, value in head.items() if value is not None}
    return sign_parts(key, json.dumps(head).encode(), json.dumps(claims).encode())


def sign_parts(key, head, payload):
    signed = f"{b64(head)}.{b64(payload)}"
    return f"{signed}.{b64(key.sign(signed.encode()))}"


class Hs256:
    algorithm = "HS256"

    def __init__(self, kid, secret):
        self.kid, self.secret = kid, secret

    def sign(self, data):
        return hmac.digest(self.secret, data, "sha256")

    def jwk(self):
        return {"kty": "oct", "kid": self.kid, "alg": self.algorithm, "use": "sig", "k": b64(self.secret)}


class Rs256:
    algorithm = "RS256"
    PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")  # DigestInfo of SHA-256.

    def __init__(self, kid, seed):
        self.kid = kid
        chance = random.Random(seed)
        p, q = prime(chance, 1024), prime(chance, 1024)
        self.n, self.e = p * q, 65537
        self.d = pow(self.e, -1, (p - 1) * (q - 1))

    def sign(self, data):
        tail = self.PREFIX + hashlib.sha256(data).digest()
        size = (self.n.bit_length() + 7) // 8
        padded = b"\x00\x01" + b"\xff" * (size - len(tail) - 3) + b"\x00" + tail
        return pow(int.from_bytes(padded, "big"), self.d, self.n).to_bytes(size, "big")

    def jwk(self):
        return {
            "kty": "RSA", "kid": self.kid, "alg": self.algorithm, "use": "sig",
            "n": number(self.n), "e": number(self.e),
        }


def prime(chance, bits):
    while True:
        candidate = chance.getrandbits(bits) | (3 << (bits - 2)) | 1
        if candidate % 65537 != 1 and all(candidate % p for p in (3, 5, 7, 11, 13, 17, 19)) and is_prime(candidate):
            return candidate


def is_prime(n, rounds=20):
    odd, twos = n - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for base in random.Random(n).choices(range(2, 1 << 30), k=rounds):
        x = pow(base, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


class Es256:
    algorithm = "ES256"
    P = 2**256 - 2**224 + 2**192 + 2**96 - 1
    N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    G = (
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    )

    def __init__(self, kid, seed):
        self.kid = kid
        self.chance = random.Random(seed)
        self.d = self.chance.randrange(1, self.N)
        self.x, self.y = self.times(self.d)

    def add(self, a, b):
        if a is None or b is None:
            return a or b
        if a[0] == b[0] and (a[1] + b[1]) % self.P == 0:
            return None
        if a == b:
            slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, self.P)
        else:
            slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, self.P)
        x = (slope * slope - a[0] - b[0]) % self.P
        return x, (slope * (a[0] - x) - a[1]) % self.P

    def times(self, k):
        total, power = None, self.G
        while k:
            if k & 1:
                total = self.add(total, power)
            power, k = self.add(power, power), k >> 1
        return total

    def sign(self, data):
        digest = int.from_bytes(hashlib.sha256(data).digest(), "big")
        k = self.chance.randrange(1, self.N)
        r = self.times(k)[0] % self.N
        s = pow(k, -1, self.N) * (digest + r * self.d) % self.N
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def jwk(self):
        return {
            "kty": "EC", "crv": "P-256", "kid": self.kid, "alg": self.algorithm, "use": "sig",
            "x": number(self.x, 32), "y": number(self.y, 32),
        }


class EdDsa:
    algorithm = "EdDSA"
    P = 2**255 - 19
    L = 2**252 + 27742317777372353535851937790883648493
    D = -121665 * pow(121666, -1, P) % P

    def __init__(self, kid, seed):
        self.kid = kid
        digest = hashlib.sha512(hashlib.sha256(str(seed).encode()).digest()).digest()
        self.a = (int.from_bytes(digest[:32], "little") & ((1 << 254) - 8)) | (1 << 254)
        self.prefix = digest[32:]
        y = 4 * pow(5, -1, self.P) % self.P
        x2 = (y * y - 1) * pow(self.D * y * y + 1, -1, self.P) % self.P
        x = pow(x2, (self.P + 3) // 8, self.P)
        if (x * x - x2) % self.P:
            x = x * pow(2, (self.P - 1) // 4, self.P) % self.P
        self.base = (x if x % 2 == 0 else self.P - x, y)
        self.public = self.encode(self.times(self.a))

    def add(self, a, b):
        product = self.D * a[0] * b[0] * a[1] * b[1] % self.P
        x = (a[0] * b[1] + a[1] * b[0]) * pow(1 + product, -1, self.P)
        y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - product, -1, self.P)
        return x % self.P, y % self.P

    def times(self, k):
        total, power = (0, 1), self.base
        while k:
            if k & 1:
                total = self.add(total, power)
            power, k = self.add(power, power), k >> 1
        return total

    @staticmethod
    def encode(point):
        return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")

    def sign(self, data):
        r = int.from_bytes(hashlib.sha512(self.prefix + data).digest(), "little") % self.L
        big_r = self.encode(self.times(r))
        h = int.from_bytes(hashlib.sha512(big_r + self.public + data).digest(), "little")
        return big_r + ((r + h * self.a) % self.L).to_bytes(32, "little")

    def jwk(self):
        return {
            "kty": "OKP", "crv": "Ed25519", "kid": self.kid, "alg": self.algorithm, "use": "sig", "x": b64(self.public)
        }
