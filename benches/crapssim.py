#!/usr/bin/env python3
"""How many rolls a second does `bitcraps hand play` play, beside crapssim, the best-known craps
simulator in Python, on the same hands?

    cargo build --release -p bitcraps-tokio
    python3 benches/crapssim.py target/release/bitcraps [ROLLS]

Installs crapssim from PyPI into a temporary environment. Both play the same dice and the same bets:
a pass bet, odds behind it, and the field; both must end with the same chips. What is timed is the
playing: of `hand play` with starting, reading, and writing a line for every roll.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

VERSION = "0.4.1"
BANKROLL = 1_000_000_000

RIVAL = """
import json, sys, time
from crapssim.table import Table
from crapssim.bet import Field, Odds, PassLine
from crapssim.strategy.tools import Strategy

class Script(Strategy):
    def completed(self, player):
        return False
    def update_bets(self, player):
        point = player.table.point.number
        if point is None:
            player.add_bet(PassLine(10))
        elif not player.has_bets(Odds):
            player.add_bet(Odds(PassLine, point, 30))
        player.add_bet(Field(5))

dice = json.load(open(sys.argv[1]))
table = Table()
player = table.add_player(bankroll=float(sys.argv[2]), strategy=Script())
start = time.perf_counter()
table.fixed_run([tuple(roll) for roll in dice])
seconds = time.perf_counter() - start
print(json.dumps({"seconds": seconds, "chips": player.bankroll + sum(b.amount for b in player.bets)}))
"""


def script(dice):
    """The same bets as a hand file."""
    rules = {"overrides": {"field": {"two": "2:1", "twelve": "2:1"}}}
    yield {"rules": rules, "bankroll": BANKROLL}
    point, field = None, {"op": "bet", "bet": "field", "amount": 5}
    fresh = False
    for first, second in dice:
        actions = []
        if point is None:
            actions.append({"op": "bet", "bet": "pass", "amount": 10})
        elif fresh:
            actions.append({"op": "bet", "bet": "odds:pass", "amount": 30})
        yield {"do": actions + [field], "dice": [first, second]}
        total, fresh = first + second, False
        if point is None and total in (4, 5, 6, 8, 9, 10):
            point, fresh = total, True
        elif total in (7, point):
            point = None


def main():
    program = Path(sys.argv[1])
    rolls = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    rng = random.Random(2026)
    dice = [(rng.randint(1, 6), rng.randint(1, 6)) for _ in range(rolls)]
    with tempfile.TemporaryDirectory() as directory:
        directory = Path(directory)
        venv.create(directory / "venv", with_pip=True)
        python = directory / "venv/bin/python"
        install = [python, "-m", "pip", "install", "--quiet", f"crapssim=={VERSION}"]
        subprocess.run(install, check=True)
        (directory / "dice.json").write_text(json.dumps(dice))
        (directory / "rival.py").write_text(RIVAL)
        hand = directory / "hand.jsonl"
        hand.write_text("".join(json.dumps(line) + "\n" for line in script(dice)))

        rival = [python, directory / "rival.py", directory / "dice.json", str(BANKROLL)]
        theirs = json.loads(subprocess.run(rival, check=True, capture_output=True).stdout)
        start = time.perf_counter()
        played = subprocess.run([program, "hand", "play", hand], check=True, capture_output=True)
        seconds = time.perf_counter() - start
        last = json.loads(played.stdout.splitlines()[-1])
        ours = last["bankroll"] + sum(last["up"].values())

    assert b"refused" not in played.stdout, "both make the same bets"
    assert ours == theirs["chips"], f"the chips differ: {ours} and {theirs['chips']}"
    print(f"{rolls} rolls, the same dice and bets; both end with {ours} chips")
    rows = [("bitcraps hand play", seconds), (f"crapssim {VERSION}", theirs["seconds"])]
    for name, took in rows:
        print(f"{name:<20} {took:>9.3f} s {rolls / took:>12,.0f} rolls/s")
    print(f"{theirs['seconds'] / seconds:.1f} times as fast")


if __name__ == "__main__":
    main()
