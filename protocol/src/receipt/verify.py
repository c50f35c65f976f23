#!/usr/bin/env python3
"""Checks a BitCraps receipt offline, in another language and by other hands than `bitcraps verify`.

    pip install blake3 pynacl
    python3 verify.py table-1-roll-17.receipt --genesis genesis [--roll 1:17] [--player KEY]
    python3 verify.py table-1-roll-17.receipt --header HEX

It reads the binary form (see `mod.rs`), prints each step, and ends with 0 if all hold, 1 if one does
not, 2 if something cannot be decided here. Ristretto255 is written out after RFC 9496; BLAKE3 and
Ed25519 are PyPI's `blake3` and `pynacl` (libsodium).

What it does not do, so that nobody believes it did:
* Payouts are recomputed for line and come bets and their odds, place and place_to_lose, big6/8,
  hardways, the field, any7, any_craps, two, three, yo and boxcars, by the rules in the certified table.
  If any other bet is up, everything but the payout is checked, and the exit code is 2.
* Winners that stay up come down when the bank cannot reserve their next win; that rule is not
  modelled, and such a receipt is refused at "payout".
* That all shares of the dice key lie on one polynomial is left to the validators who certified it,
  and the genesis is taken for one that was checked: its network's id is what counts.
* `--flips` checks that every receipt with one changed bit is refused; slow, for tests.
"""
import argparse
import functools
import sys
from fractions import Fraction

from blake3 import blake3
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

MAGIC = b"bitcraps receipt 1\n"
# The kept receipts with which this was last tried; a test compares, for the rules are read by position.
TRIED = "c2fae9fa047f5a709a63ee8baab3cc91302f3eebce2a2596686dc84266b04788"


class Refused(Exception):
    """A step that does not hold."""


class Undecided(Exception):
    """A step that this program cannot check."""


def derive(context, data, length=32):
    return blake3(data, derive_key_context="bitcraps 2026 " + context).digest(length=length)


# --- Ristretto255 (RFC 9496) over edwards25519: points are (X, Y, Z, T) ---------------------------
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_M1 = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1, 1, 0)


def absolute(x):
    return P - x if x & 1 else x


def sqrt_ratio(u, v):
    r = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    check = v * r * r % P
    if check in (-u % P, -u * SQRT_M1 % P):
        r = r * SQRT_M1 % P
    return check in (u % P, -u % P), absolute(r)


INV_SQRT_A_MINUS_D = sqrt_ratio(1, -1 - D)[1]
SQRT_AD_MINUS_ONE = sqrt_ratio(-D - 1, 1)[1]
if SQRT_AD_MINUS_ONE != 25063068953384623474111414158702152701244531502492656460079210482610430750235:
    SQRT_AD_MINUS_ONE = P - SQRT_AD_MINUS_ONE  # the root that the RFC chose


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def combination(pairs):
    """The sum of scalar * point over pairs."""
    total = IDENTITY
    for bit in reversed(range(253)):
        total = add(total, total)
        for scalar, point in pairs:
            if scalar >> bit & 1:
                total = add(total, point)
    return total


def decode_point(data):
    s = int.from_bytes(data, "little")
    if s >= P or s & 1 or s == 0:
        return None  # not canonical, or the identity
    u1, u2 = (1 - s * s) % P, (1 + s * s) % P
    v = (-D * u1 * u1 - u2 * u2) % P
    is_square, root = sqrt_ratio(1, v * u2 * u2)
    dx, dy = root * u2 % P, root * root * u2 * v % P
    x, y = absolute(2 * s * dx % P), u1 * dy % P
    t = x * y % P
    return (x, y, 1, t) if is_square and not t & 1 and y else None


def encode_point(p):
    x, y, z, t = p
    u1, u2 = (z + y) * (z - y) % P, x * y % P
    root = sqrt_ratio(1, u1 * u2 * u2)[1]
    d1, d2 = root * u1 % P, root * u2 % P
    z_inv = d1 * d2 * t % P
    if t * z_inv % P & 1:
        x, y, d = y * SQRT_M1 % P, x * SQRT_M1 % P, d1 * INV_SQRT_A_MINUS_D % P
    else:
        d = d2
    y = -y if x * z_inv % P & 1 else y
    return absolute(d * (z - y) % P).to_bytes(32, "little")


def map_to_point(data):
    t = int.from_bytes(data, "little") % 2**255
    r = SQRT_M1 * t * t % P
    u, v = (r + 1) * (1 - D * D) % P, (-1 - r * D) * (r + D) % P
    was_square, s = sqrt_ratio(u, v)
    s, c = (s, -1) if was_square else (-absolute(s * t % P) % P, r)
    n = (c * (r - 1) * (D - 1) ** 2 - v) % P
    w0, w1 = 2 * s * v % P, n * SQRT_AD_MINUS_ONE % P
    w2, w3 = (1 - s * s) % P, (1 + s * s) % P
    return w0 * w3 % P, w2 * w1 % P, w1 * w3 % P, w0 * w2 % P


def hash_to_point(data):
    wide = derive("coin input", data, 64)
    return add(map_to_point(wide[:32]), map_to_point(wide[32:]))


G = decode_point(bytes.fromhex("e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76"))


@functools.lru_cache(None)
def is_share(coin_input, public, image, challenge, response):
    """The proof of Chaum and Pedersen that the secret behind `public` made `image`."""
    base, vk, point = hash_to_point(coin_input), decode_point(public), decode_point(image)
    c, r = int.from_bytes(challenge, "little"), int.from_bytes(response, "little")
    if vk is None or point is None or c >= L or r >= L:
        return False
    first = encode_point(combination([(r, G), (L - c, vk)]))
    second = encode_point(combination([(r, base), (L - c, point)]))
    statement = derive("coin share", public + encode_point(base) + image)
    wide = derive("equality proof challenge", statement + first + second, 64)
    return int.from_bytes(wide, "little") % L == c


@functools.lru_cache(None)
def is_signed(tag, network, epoch, data, key, signature):
    message = tag + b"\0" + network + epoch.to_bytes(8, "little") + data
    try:
        VerifyKey(key).verify(message, signature)
    except BadSignatureError:
        return False
    return True


# --- postcard ---------------------------------------------------------------------------------------
def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes(out) + bytes([number])


class Reader:
    """Reads only what is written in the one canonical form."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise Refused("format", "it ends too early")
        self.at += count
        return self.data[self.at - count:self.at]

    def int(self, bits=64):
        start, number, shift = self.at, 0, 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if number >> bits or varint(number) != self.data[start:self.at]:
            raise Refused("format", "an integer is not written in the one way")
        return number

    def tag(self, choices):
        tag = self.int(32)
        if tag >= choices:
            raise Refused("format", "an unknown choice")
        return tag

    def bool(self):
        return self.tag(2) == 1

    def option(self, read):
        return read() if self.tag(2) else None

    def list(self, read):
        return [read() for _ in range(self.int())]

    def bytes(self):
        return self.take(self.int())

    def text(self):
        return self.bytes().decode("utf-8", "strict")

    def raw(self, read):
        """What `read` reads, with its bytes."""
        start = self.at
        return read(), self.data[start:self.at]

    def fields(self, **reads):
        return {name: read() for name, read in reads.items()}

    def hash(self):
        return self.take(32)

    def dice(self):
        return tuple(self.take(2))


def read_header(r):
    return r.fields(network=r.hash, epoch=r.int, view=r.int, height=r.int, parent_view=r.int,
                    parent=r.hash, time=r.int, body=r.hash, transactions=r.hash, state=r.hash,
                    validators=r.hash, dice_key=r.hash, has_rolls=r.bool, justification=r.hash)


def read_proof(r):
    return r.fields(index=lambda: r.int(32), leaves=lambda: r.int(32), siblings=lambda: r.list(r.hash))


def read_state_proof(r):
    return read_proof(r), read_proof(r)


def read_rules(r):
    """A table's rules: every field of `Rules` (craps/rules.rs) by its name and in its place, for
    that is how they are written; a few groups of which nothing is used are read as lists."""
    def ratio():
        over, under = r.text().split(":")
        return Fraction(int(over), int(under))

    def ratios(count=5):  # five are for 2 and 12, 3 and 11, 4 and 10, 5 and 9, 6 and 8
        return lambda: [ratio() for _ in range(count)]

    def ladder():
        return r.list(lambda: (r.take(1), ratio()))

    def repeat():
        return r.take(1), ratio()

    def bools(names):
        return lambda: {name: r.bool() for name in names.split()}

    def each(*reads):
        return lambda: [read() for read in reads]

    bar, vig_when, rounding, twice_on = (functools.partial(r.tag, choices) for choices in (4, 2, 4, 3))
    return r.fields(
        crapless=r.bool, bar=bar, odds=ratios(), dont_odds=ratios(), place=ratios(), place_to_lose=ratios(),
        big=ratio, vig=each(vig_when, ratio, rounding, r.int), put_is_contract=r.bool,
        field=each(ratio, ratio, r.bool), hardways=ratios(2), props=ratios(8), hops=ratios(2),
        sides=each(
            ladder, r.bool,  # fire
            ratio, ratio, ratio, ladder, ratio, ratio,  # small to sizzling_six
            *[repeat] * 8, ladder, *[ladder] * 5, ladder, ladder, ladder,  # repeater to hot_shooter
            ratio, ratio, ratio, ratio, ratio, twice_on, ratio),  # muggsy to twice_as_hard
        exact_units=r.bool,
        works_on_come_out=bools("come dont_come put place buy lay hard big yes_no"),
        stays_after_win=bools("place buy lay hard big yes_no"),
        limits=each(*[r.int] * 28), allow_player_edge=r.bool,
        window_blocks=lambda: r.int(32), window_ms=r.int, shooter_ms=r.int,
        max_seats=lambda: r.int(16), max_bets=lambda: r.int(16))


def read_table(r):
    def phase():
        return r.fields(view=r.int, key_version=lambda: r.int(32)) if r.tag(2) else (r.int(), r.int()) and None

    def wager():
        return r.fields(stake=r.int, vig=r.int, called=lambda: r.option(r.bool), memory=lambda: r.int(32))

    def bets():
        return r.list(lambda: (r.text(), wager()))

    return r.fields(name=r.text, owner=r.hash, rules=lambda: read_rules(r), owner_again=r.hash,
                    bank=r.int, round=r.int, phase=phase, point=lambda: r.option(lambda: r.take(1)[0]),
                    hand=lambda: r.tag(3), seats=lambda: r.list(lambda: (r.hash(), r.bool(), r.bool())),
                    shooter=lambda: r.option(r.hash), turn=r.int, house_throws=r.bool,
                    layout=lambda: r.list(lambda: (r.hash(), bets())),
                    history=lambda: r.list(r.dice), queued=r.int, asked=r.int)


def read_receipt(data):
    if not data.startswith(MAGIC):
        raise Refused("format", "it does not begin like a receipt of version 1")
    r = Reader(data[len(MAGIC):])
    header, proof, state_proof = (functools.partial(read, r) for read in (read_header, read_proof, read_state_proof))

    def claim():
        return r.fields(table=lambda: r.int(32), round=r.int, player=lambda: r.option(r.hash), coin=r.hash,
                        dice=r.dice, payouts=lambda: r.list(lambda: (r.hash(), r.int())))

    def key():
        return r.fields(version=lambda: r.int(32), threshold=lambda: r.int(16), members=lambda: r.list(r.hash))

    def signed():
        return r.raw(lambda: (r.bytes(), r.take(64)))

    receipt = r.fields(
        claim=claim, header=lambda: r.raw(header), validators=lambda: r.raw(lambda: r.list(r.hash)),
        trail=lambda: r.list(lambda: r.raw(header)),
        finalization=lambda: (r.int(), r.hash(), r.list(lambda: (r.int(16), r.take(64)))),
        table=lambda: r.raw(lambda: read_table(r)), table_proof=state_proof,
        key=lambda: r.raw(key), key_proof=state_proof,
        signed=lambda: None if r.tag(2) else signed(), throw_proof=proof,
        shares=lambda: r.list(lambda: (r.int(16), r.hash(), r.hash(), r.hash())))
    if r.at != len(r.data):
        raise Refused("format", "there is more after its end")
    return receipt


# --- Merkle proofs ----------------------------------------------------------------------------------
def root_of(proof, leaf):
    index, width, siblings, node = proof["index"], proof["leaves"], list(proof["siblings"]), leaf
    if index >= width:
        return None
    while width > 1:
        if index ^ 1 < width:
            if not siblings:
                return None
            sibling = siblings.pop(0)
            node = derive("merkle node", sibling + node if index & 1 else node + sibling)
        index, width = index // 2, (width + 1) // 2
    return None if siblings else derive("merkle root", proof["leaves"].to_bytes(4, "little") + node)


def is_in_state(root, proof, key, entry):
    in_bucket, bucket = proof
    number = int.from_bytes(derive("state bucket", key)[:2], "big") % 4096
    inner = root_of(in_bucket, derive("state entry", key + entry))
    return bucket["index"] == number and inner is not None and root_of(bucket, inner) == root


# --- the game ---------------------------------------------------------------------------------------
ALL = [(a, b) for a in range(1, 7) for b in range(1, 7)]


def totals(*wanted):
    return {dice for dice in ALL if sum(dice) in wanted}


def per(number, five):
    return five[{2: 0, 3: 1, 4: 2, 5: 3, 6: 4}[min(number, 14 - number)]]


def terms(bet, rules, point):
    """(dice that win, with their pay), dice that lose, dice that push, how it rests, whether it stays."""
    stem, _, of = bet.rpartition(":")
    stem, number = (stem, int(of)) if of.isdigit() else (bet, None)
    any7, craps, ends, middle = rules["props"][:4]
    seven, nothing = totals(7), set()

    def waits(number, dark, pay, rests=None, stays=False):
        light = totals(number)
        wins, loses = (seven, light) if dark else (light, seven)
        return [(wins, pay)], loses, nothing, rests, stays

    def flat(number, dark):
        if number:
            return waits(number, dark, Fraction(1))
        bar = totals(*[[2], [3], [12], []][rules["bar"]])
        if dark:
            return [(totals(2, 3, 12) - bar, Fraction(1))], totals(7, 11), bar, None, False
        wins, loses = (seven, nothing) if rules["crapless"] else (totals(7, 11), totals(2, 3, 12))
        return [(wins, Fraction(1))], loses, nothing, None, False

    def odds(number, dark, rests=None):
        true = Fraction(6, 6 - abs(number - 7))
        return waits(number, dark, 1 / true if dark else true, rests)

    def once(*wins):
        return list(wins), set(ALL).difference(*(dice for dice, _ in wins)), nothing, None, False

    def rests(name):
        """Returned, or left standing, by a roll that would decide it while it does not work."""
        return ("returns" if "come" in name else "stands"), rules["works_on_come_out"][name] or point is not None

    def stays(name):
        return rests(name), rules["stays_after_win"][name]

    if stem in ("pass", "dont_pass"):
        return flat(point, stem == "dont_pass")
    if stem in ("come", "dont_come"):
        return flat(number, stem == "dont_come")
    if stem in ("odds:pass", "odds:dont_pass"):
        return odds(point, stem == "odds:dont_pass") if point else ([], nothing, nothing, None, False)
    if stem in ("odds:come", "odds:dont_come"):
        return odds(number, stem == "odds:dont_come", rests(stem[5:]))
    if stem in ("place", "place_to_lose"):
        return waits(number, stem != "place", per(number, rules[stem]), *stays("place"))
    if stem in ("big6", "big8"):
        return waits(int(stem[3]), False, rules["big"], *stays("big"))
    if stem == "hard":
        double = {(number // 2, number // 2)}
        return [(double, rules["hardways"][number in (6, 8)])], totals(7, number) - double, nothing, *stays("hard")
    if stem == "field":
        two, twelve, five_for_nine = rules["field"]
        evens = totals(3, 4, 5 if five_for_nine else 9, 10, 11)
        return once((evens, Fraction(1)), (totals(2), two), (totals(12), twelve))
    props = {"any7": (seven, any7), "any_craps": (totals(2, 3, 12), craps), "two": (totals(2), ends),
             "three": (totals(3), middle), "yo": (totals(11), middle), "boxcars": (totals(12), ends)}
    if stem in props:
        return once(props[stem])
    raise Undecided("payout", f"the bet {bet} is not recomputed here")


def credited(bet, wager, rules, point, dice):
    """What one bet pays its player, the stake among it unless that stays up or is lost."""
    wins, loses, pushes, rests, stays = terms(bet, rules, point)
    stake = wager["stake"]
    pay = next((pay for won, pay in wins if dice in won), None)
    if pay is None and dice not in loses and dice not in pushes:
        return 0  # it stands, or moves to its number
    if rests:
        how, works = rests
        if not (works if wager["called"] is None else wager["called"]):
            return stake if how == "returns" else 0
    if pay is None:
        return 0 if dice in loses else stake
    profit = int(stake * pay)
    return profit if stays and profit else stake + profit


# --- the steps --------------------------------------------------------------------------------------
def read_genesis(data):
    """The network's id, its validators' keys, and whether a dealer made its dice key."""
    r = Reader(data)
    r.text(), r.int(), r.take(1)
    validators = r.list(lambda: (r.hash(), r.int(), r.take(32 + 64 + 64))[0])
    r.list(lambda: (r.hash(), r.int(), r.int()))
    return dict(network=derive("genesis", data), epoch=0, insecure=r.tag(2) == 0,
                validators=derive("validators", varint(len(validators)) + b"".join(validators)))


def steps(data, trusted, roll=None, player=None):
    """Yields (step, what was found) until all hold; raises Refused at the one that does not."""
    try:
        receipt = read_receipt(data)
    except (ValueError, ZeroDivisionError):  # texts that are none, ratios over nothing
        raise Refused("format", "its fields make no sense") from None
    claim, (header, raw_header) = receipt["claim"], receipt["header"]

    def expect(step, holds, why):
        if not holds:
            raise Refused(step, why)

    expect("subject", roll in (None, (claim["table"], claim["round"])), "it is of another roll")
    expect("subject", player in (None, claim["player"]), "it is for somebody else")
    yield "subject", f"table {claim['table']}, roll {claim['round']}"

    network, epoch = header["network"], header["epoch"]
    expect("network", network == trusted["network"], f"it is of network {network.hex()}")
    yield "network", network.hex()[:8]

    validators, raw_validators = receipt["validators"]
    n = len(validators)
    quorum = n - (n - 1) // 3
    expect("validators", epoch == trusted["epoch"], "it is of another epoch")
    expect("validators", header["validators"] == trusted["validators"], "others are trusted")
    expect("validators", derive("validators", raw_validators) == header["validators"], "others are listed")
    expect("validators", n == len(set(validators)) > 0, "they are no set")
    yield "validators", f"{n}, {quorum} decide"

    last, last_hash = header, derive("block header", raw_header)
    for after, raw in receipt["trail"]:
        expect("finality", (after["parent"], after["parent_view"]) == (last_hash, last["view"]), "the trail is broken")
        expect("finality", (after["network"], after["epoch"], after["height"]) == (network, epoch, last["height"] + 1),
               "the trail is broken")
        last, last_hash = after, derive("block header", raw)
    view, block, votes = receipt["finalization"]
    expect("finality", (view, block) == (last["view"], last_hash), "the signatures are of another block")
    voters = [voter for voter, _ in votes]
    expect("finality", len(voters) == quorum and voters == sorted(set(voters)) and voters[-1] < n, "no quorum")
    statement = b"\x02" + varint(view) + block
    for voter, signature in votes:
        good = is_signed(b"bitcraps/1/vote", network, epoch, statement, validators[voter], signature)
        expect("finality", good, f"validator {voter} did not sign")
    yield "finality", f"block {header['height']} of view {header['view']}, signed by {voters}"

    table, raw_table = receipt["table"]
    table_key, table_entry = b"\x05" + varint(claim["table"]), b"\x05" + raw_table
    good = is_in_state(header["state"], receipt["table_proof"], table_key, table_entry)
    expect("table", good, "it is not in the certified state")
    expect("table", table["phase"], "no roll is in the air there")
    expect("table", table["round"] == claim["round"], "another roll is in the air there")
    expect("table", table["phase"]["view"] == header["view"], "another view's coin decides it")
    yield "table", f"{table['name']!r}, {sum(len(bets) for _, bets in table['layout'])} bets"

    key, raw_key = receipt["key"]
    state_key = b"\x02" + varint(epoch) + varint(key["version"])
    expect("dice key", key["version"] == table["phase"]["key_version"], "the dice were thrown under another")
    expect("dice key", is_in_state(header["state"], receipt["key_proof"], state_key, b"\x02" + raw_key),
           "it is not in the certified state")
    expect("dice key", len(key["members"]) == n and key["threshold"] == quorum, "it is not these validators'")
    warning = "; INSECURE: whoever made the network could know every roll" if trusted.get("insecure") else ""
    yield "dice key", f"version {key['version']}, {quorum} of {n} make a coin{warning}"

    if receipt["signed"] is None:
        entry, who = b"\x03" + varint(claim["table"]), "the house"
    else:
        (content, signature), raw = receipt["signed"]
        entry = b"\x02" + raw
    expect("throw", root_of(receipt["throw_proof"], derive("body entry", entry)) == header["transactions"],
           "it is not in the block")
    if receipt["signed"] is not None:
        r = Reader(content)
        sender, _ = r.hash(), [r.int() for _ in range(3)]
        expect("throw", r.data[r.at:] == b"\x08" + varint(claim["table"]) + varint(claim["round"]), "it does something else")
        expect("throw", is_signed(b"bitcraps/1/transaction", network, 0, content, sender, signature), "it is not signed")
        who = sender.hex()[:8]
    yield "throw", f"by {who}"

    shares = receipt["shares"]
    sharers = [index for index, *_ in shares]
    expect("shares", len(shares) == quorum and sharers == sorted(set(sharers)) and sharers[-1] < n, "not the threshold's")
    coin_id = network + varint(epoch) + varint(key["version"]) + varint(header["view"])
    for index, image, challenge, response in shares:
        good = is_share(coin_id, key["members"][index], image, challenge, response)
        expect("shares", good, f"the share of {index} does not verify")
    yield "shares", f"of {sharers}"

    def weight(index):
        over, under = 1, 1
        for other in sharers:
            if other != index:
                over, under = over * (other + 1) % L, under * (other - index) % L
        return over * pow(under, -1, L) % L

    total = combination([(weight(index), decode_point(image)) for index, image, *_ in shares])
    coin = derive("coin", coin_id + encode_point(total))
    expect("coin", coin == claim["coin"], f"the shares make {coin.hex()}")
    yield "coin", coin.hex()

    stream = derive("dice", coin + varint(claim["table"]) + varint(claim["round"]), 1024)
    outcome = next(byte for byte in stream if byte < 252) % 36
    dice = (outcome // 6 + 1, outcome % 6 + 1)
    expect("dice", dice == claim["dice"], f"the coin makes {dice}")
    yield "dice", f"{dice[0]}-{dice[1]} = {sum(dice)}"

    layout = table["layout"]
    mine = [f"{bet} {wager['stake']}" for who, bets in layout for bet, wager in bets if who == claim["player"]]
    expect("bet", claim["player"] is None or mine, "the player has no bet on the roll")
    yield "bet", ", ".join(mine) or "of nobody in particular"

    paid = [(who, sum(credited(bet, wager, table["rules"], table["point"], dice) for bet, wager in bets))
            for who, bets in layout]
    paid = [(who, chips) for who, chips in paid if chips]
    expect("payout", paid == claim["payouts"], f"the rules pay {[(who.hex()[:8], chips) for who, chips in paid]}")
    yield "payout", ", ".join(f"{chips} to {who.hex()[:8]}" for who, chips in paid) or "nothing to anybody"


def is_accepted(data, trusted):
    """Whether all steps hold; what cannot be decided is not accepted."""
    try:
        return bool(list(steps(data, trusted)))
    except (Refused, Undecided):
        return False


def main():
    parser = argparse.ArgumentParser(description="Checks a BitCraps receipt offline.")
    parser.add_argument("receipt")
    trust = parser.add_mutually_exclusive_group(required=True)
    trust.add_argument("--genesis")
    trust.add_argument("--header", help="in hexadecimal")
    parser.add_argument("--roll", help="TABLE:ROLL")
    parser.add_argument("--player", type=bytes.fromhex, help="a key in hexadecimal")
    parser.add_argument("--flips", action="store_true", help="change every bit in turn")
    arguments = parser.parse_args()
    data = open(arguments.receipt, "rb").read()
    if arguments.genesis:
        trusted = read_genesis(open(arguments.genesis, "rb").read())
    else:
        trusted = read_header(Reader(bytes.fromhex(arguments.header)))
    roll = arguments.roll and tuple(map(int, arguments.roll.split(":")))
    try:
        for step, found in steps(data, trusted, roll or None, arguments.player):
            print(f"ok   {step:<11} {found}")
    except Refused as refused:
        step, why = refused.args
        sys.exit(print(f"NO   {step:<11} {why}") or 1)
    except Undecided as undecided:
        step, why = undecided.args
        sys.exit(print(f"??   {step:<11} {why}") or 2)
    if arguments.flips:
        for bit in range(8 * len(data)):
            wrong = bytearray(data)
            wrong[bit // 8] ^= 1 << bit % 8
            if is_accepted(bytes(wrong), trusted):
                sys.exit(print(f"NO   bit {bit} means nothing") or 1)
        print(f"ok   flips       all {8 * len(data)} changed bits are refused")


if __name__ == "__main__":
    main()
