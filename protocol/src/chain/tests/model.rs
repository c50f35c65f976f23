//! Whatever anybody asks for, in whatever order and on whatever forks: chips are conserved, what
//! one chain builds every other accepts, and all agree on every root.

use proptest::prelude::*;

use super::*;
use crate::chain::model::{Step, What, World};
use crate::craps::Bet;

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
