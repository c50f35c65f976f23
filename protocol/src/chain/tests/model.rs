//! Whatever anybody asks for, in whatever order and on whatever forks: chips are conserved, what
//! one chain builds every other accepts, and all agree on every root.

use proptest::prelude::*;

use super::*;
use crate::craps::Bet;

#[derive(Clone, Debug)]
enum Step {
    /// Somebody asks for something, perhaps something silly.
    Ask { player: usize, skip: u64, what: What },
    /// A leader proposes, after so many milliseconds; perhaps the block comes to nothing.
    Block { millis: u64, lost: bool },
    /// All blocks but the newest so many become final.
    Finalize { keep: usize },
}

#[derive(Clone, Debug)]
enum What {
    Transfer { to: usize, amount: u64 },
    Open { bank: u64 },
    Close { table: u32 },
    Sit { table: u32 },
    Stand { table: u32 },
    Bet { table: u32, late: u64, bet: Bet, amount: u64 },
    TakeDown { table: u32, bet: Bet, amount: Option<u64> },
    Call { table: u32, bet: Bet, on: bool },
    Fund { table: u32, amount: u64 },
    Draw { table: u32, amount: u64 },
    Ready { table: u32 },
    PassDice { table: u32 },
    Roll { table: u32 },
}

fn bets() -> impl Strategy<Value = Bet> {
    prop::sample::select(Bet::all().collect::<Vec<_>>())
}

fn whats() -> impl Strategy<Value = What> {
    let table = || 1u32..4;
    let line = prop::sample::select(vec![Bet::Pass, Bet::DontPass]);
    prop_oneof![
        1 => (0usize..4, 0u64..12_000).prop_map(|(to, amount)| What::Transfer { to, amount }),
        1 => (0u64..12_000).prop_map(|bank| What::Open { bank }),
        1 => table().prop_map(|table| What::Close { table }),
        3 => table().prop_map(|table| What::Sit { table }),
        1 => table().prop_map(|table| What::Stand { table }),
        6 => (table(), line, 1u64..50)
            .prop_map(|(table, bet, amount)| What::Bet { table, late: 0, bet, amount }),
        6 => (table(), 0u64..2, bets(), 1u64..100)
            .prop_map(|(table, late, bet, amount)| What::Bet { table, late, bet, amount }),
        2 => (table(), bets(), prop::option::of(1u64..20))
            .prop_map(|(table, bet, amount)| What::TakeDown { table, bet, amount }),
        1 => (table(), bets(), any::<bool>())
            .prop_map(|(table, bet, on)| What::Call { table, bet, on }),
        1 => (table(), 0u64..3000).prop_map(|(table, amount)| What::Fund { table, amount }),
        1 => (table(), 0u64..3000).prop_map(|(table, amount)| What::Draw { table, amount }),
        1 => table().prop_map(|table| What::Ready { table }),
        1 => table().prop_map(|table| What::PassDice { table }),
        6 => table().prop_map(|table| What::Roll { table }),
    ]
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0usize..4, prop::sample::select(vec![0, 0, 0, 0, 0, 1]), whats())
            .prop_map(|(player, skip, what)| Step::Ask { player, skip, what }),
        4 => (prop::sample::select(vec![1, 500, 70_000]), prop::bool::weighted(0.2))
            .prop_map(|(millis, lost)| Step::Block { millis, lost }),
        2 => (0usize..3).prop_map(|keep| Step::Finalize { keep }),
    ]
}

struct World {
    net: Net,
    leader: Chain,
    follower: Chain,
    /// The blocks above the finalized one that stand on each other, oldest first.
    branch: Vec<Tip>,
    finalized: Tip,
    view: View,
    settled: usize,
}

impl World {
    fn new() -> Self {
        let net = Net::new(1, 4);
        let (leader, follower) = (net.chain(), net.chain());
        let (finalized, branch) = (net.tip(), Vec::new());
        let mut world =
            Self { net, leader, follower, branch, finalized, view: View(0), settled: 0 };
        // A table and a shooter, so that most of what follows is not refused.
        world.ask(0, 0, &What::Open { bank: 6000 });
        world.block(1, false);
        for player in 1..4 {
            world.ask(player, 0, &What::Sit { table: 1 });
        }
        world.block(1, false);
        world.finalize(0);
        world
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Ask { player, skip, what } => self.ask(*player, *skip, what),
            Step::Block { millis, lost } => self.block(*millis, *lost),
            Step::Finalize { keep } => self.finalize(*keep),
        }
    }

    fn ask(&mut self, player: usize, skip: u64, what: &What) {
        let round = |table: u32| {
            let entry = self.leader.state().table(TableId(table));
            entry.map_or(Round(1), |entry| entry.table.round())
        };
        let operation = match *what {
            What::Transfer { to, amount } => {
                let to = address(&self.net.players[to]);
                Operation::Transfer { to, amount: Chips(amount) }
            }
            What::Open { bank } => open(bank),
            What::Close { table } => Operation::CloseTable { table: TableId(table) },
            What::Sit { table } => Operation::Sit { table: TableId(table) },
            What::Stand { table } => Operation::Stand { table: TableId(table) },
            What::Bet { table, late, bet, amount } => {
                let round = Round(round(table).0 - late.min(1));
                let (table, amount) = (TableId(table), Chips(amount));
                Operation::Bet { table, round, bet, amount }
            }
            What::TakeDown { table, bet, amount } => Operation::TakeDown {
                table: TableId(table),
                round: round(table),
                bet,
                amount: amount.map(Chips),
            },
            What::Call { table, bet, on } => {
                Operation::SetWorking { table: TableId(table), round: round(table), bet, on }
            }
            What::Fund { table, amount } => {
                Operation::Fund { table: TableId(table), amount: Chips(amount) }
            }
            What::Draw { table, amount } => {
                Operation::Draw { table: TableId(table), amount: Chips(amount) }
            }
            What::Ready { table } => {
                Operation::Ready { table: TableId(table), round: round(table) }
            }
            What::PassDice { table } => {
                Operation::PassDice { table: TableId(table), round: round(table) }
            }
            What::Roll { table } => Operation::Roll { table: TableId(table), round: round(table) },
        };
        let nonce = self.leader.next_nonce(&self.net.players[player].peer()).unwrap();
        let transaction = self.net.sign(player, nonce.0 + skip, operation);
        let _ = self.leader.submit(transaction);
    }

    fn tip(&self) -> Tip {
        self.branch.last().copied().unwrap_or(self.finalized)
    }

    fn block(&mut self, millis: u64, lost: bool) {
        let tip = self.tip();
        self.view = self.view.next();
        let slot = Slot { view: self.view, ..next(tip, millis) };
        let (header, body) = self.net.propose(&mut self.leader, tip, slot);
        assert_eq!(self.leader.check(&header, &body), Ok(()), "what it built itself");
        assert_eq!(self.follower.check(&header, &body), Ok(()), "what another built");
        if !lost {
            self.branch.push(Tip { hash: header.hash(), slot });
        }
    }

    fn finalize(&mut self, keep: usize) {
        let count = self.branch.len().saturating_sub(keep);
        for tip in self.branch.drain(..count) {
            let finalized = self.leader.finalize(&tip.hash);
            self.settled += finalized.effects.settled.len();
            assert_eq!(self.follower.finalize(&tip.hash).effects, finalized.effects);
            assert_eq!(self.leader.state().root(), self.follower.state().root());
            assert_eq!(self.leader.state().supply(), Chips(4 * CHIPS));
            assert!(self.leader.state().conserved());
            self.finalized = tip;
        }
        for tip in [self.finalized].iter().chain(&self.branch) {
            assert!(self.leader.knows(&tip.hash) && self.follower.knows(&tip.hash));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn chips_are_conserved_and_chains_agree(steps in prop::collection::vec(steps(), 1..120)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step);
        }
        world.finalize(0);

        // What one proves, the other believes.
        let proofs = world.leader.state().accounts().all(|(peer, _)| {
            let key = Key::Account(peer);
            let (entry, proof) = world.leader.state().prove(&key).unwrap();
            proof.verify(&world.follower.state().root(), &key, entry)
        });
        prop_assert!(proofs);
    }
}

#[test]
fn a_long_game_is_played_to_its_end() {
    let mut world = World::new();
    for _ in 0..60 {
        for player in 1..4 {
            world.ask(player, 0, &What::Bet { table: 1, late: 0, bet: Bet::Pass, amount: 20 });
            world.ask(player, 0, &What::Bet { table: 1, late: 0, bet: Bet::Field, amount: 5 });
            world.ask(player, 0, &What::Ready { table: 1 });
            world.ask(player, 0, &What::Roll { table: 1 });
        }
        world.block(500, false);
        world.block(500, false);
        world.finalize(0);
    }
    assert!(world.settled > 20, "only {} rolls were settled", world.settled);
}
