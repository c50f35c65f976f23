//! Who there is in a world, and the genesis they agree on.

use std::cell::RefCell;
use std::rc::Rc;

use bitcraps_protocol::chain::{Genesis, ValidatorCard};
use bitcraps_protocol::craps::Chips;
use bitcraps_protocol::identity::{Address, Keypair, ProofOfWork};
use bitcraps_protocol::rng::Rng;
use bitcraps_protocol::simulation::Flaw;
use bitcraps_protocol::time::BlockTime;
use bitcraps_protocol::wire::Text;

use crate::canary;
use crate::clock::START_UNIX_MS;
use crate::config::{Config, DiceKeySource};

/// Leading zero bits of the proofs of work: the least that is any, since it is not what is tested.
const PROOF_OF_WORK_BITS: u8 = 1;

/// What every validator and player owns at first.
const CHIPS: u64 = 100_000;

/// Identities and the genesis they agree on.
pub(super) type Founded = (Genesis, Vec<(Keypair, ProofOfWork)>);

/// Everything that a founding depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cause {
    seed: u64,
    nodes: u16,
    players: u16,
    lively: bool,
    dice_key: DiceKeySource,
    too_low: bool,
}

thread_local! {
    /// The last founding on this thread: whoever shrinks a failure or goes through scenarios founds
    /// the same network thousands of times, which takes longer than the runs.
    static LAST: RefCell<Option<(Cause, Rc<Founded>)>> = const { RefCell::new(None) };
}

/// Founds the network of a configuration. `rng` is that of its seed.
pub(super) fn found(config: &Config, rng: &Rng) -> Rc<Founded> {
    let too_low = config.flaws.iter().any(|it| canary::flaw(it) == Some(Flaw::ThresholdTooLow));
    let Config { seed, nodes, players, dice_key, .. } = *config;
    let cause = Cause { seed, nodes, players, lively: config.workload.lively, dice_key, too_low };
    LAST.with_borrow_mut(|last| match last {
        Some((of, founded)) if *of == cause => founded.clone(),
        Some(_) | None => {
            let founded = Rc::new(found_anew(config, too_low, rng));
            *last = Some((cause, founded.clone()));
            founded
        }
    })
}

fn found_anew(config: &Config, too_low: bool, rng: &Rng) -> Founded {
    let mut seeds = rng.fork("identities");
    let identity = |_| {
        let keypair = Keypair::from_seed(seeds.bytes32());
        let proof = ProofOfWork::mine(keypair.peer(), PROOF_OF_WORK_BITS);
        (keypair, proof)
    };
    let identities: Vec<_> = (0..config.places()).map(identity).collect();
    let of = |(keypair, proof): &(Keypair, ProofOfWork)| {
        (Address { peer: keypair.peer(), proof: *proof }, Chips(CHIPS))
    };
    let members = &identities[..usize::from(config.nodes)];
    let cards = members.iter().map(|(keypair, proof)| ValidatorCard::new(keypair, *proof));
    let cards: Vec<_> = cards.collect();
    let name = Text::new("simulated").expect("a short name");
    let time = BlockTime(START_UNIX_MS);
    // Of lively players every other one begins with nothing, and joins when it is paid.
    let owners = identities.iter().enumerate().filter(|(place, _)| {
        let newcomer = config.workload.lively && *place >= members.len() && place % 2 == 1;
        !newcomer
    });
    let allocations = owners.map(|(_, identity)| of(identity)).collect();
    let genesis = match config.dice_key {
        DiceKeySource::Chain => Genesis::new(name, cards, allocations, time, PROOF_OF_WORK_BITS),
        DiceKeySource::Dealer => {
            let mut deal = rng.fork("genesis");
            Genesis::insecure(name, cards, allocations, time, PROOF_OF_WORK_BITS, &mut deal)
        }
    };
    let mut genesis = genesis.expect("a checked configuration makes a genesis");
    if too_low {
        let mut deal = rng.fork("genesis with few shares");
        genesis = genesis.with_dice_threshold(config.tolerated() + 1, &mut deal);
    }
    (genesis, identities)
}
