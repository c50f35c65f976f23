use proptest::prelude::*;

use super::*;
use crate::rng::Rng;
use crate::wire::Malformed;

fn insecure(
    cards: Vec<ValidatorCard>,
    chips: &[(Address, Chips)],
) -> Result<Genesis, GenesisRefusal> {
    let name = Text::new("test").unwrap();
    Genesis::insecure(name, cards, chips.to_vec(), BlockTime(1), BITS, &mut Rng::new([1; 32]))
}

#[test]
fn what_cannot_be_a_network_is_refused_with_its_reason() {
    let card_of = |bits| {
        let keypair = validator(9);
        let peer = keypair.peer();
        let wanted = |proof: &ProofOfWork| proof.bits(peer) < bits;
        ValidatorCard::new(&keypair, (0..).map(ProofOfWork).find(wanted).unwrap())
    };
    let player = address(&Keypair::from_seed([1; 32]));
    let other = address(&Keypair::from_seed([2; 32]));
    let cheap = Address {
        proof: (0..).map(ProofOfWork).find(|p| p.bits(player.peer) < 4).unwrap(),
        ..player
    };
    let refused = |cards, chips: &[(Address, Chips)]| insecure(cards, chips).unwrap_err();

    assert_eq!(refused(vec![], &[]), GenesisRefusal::NoValidators);
    assert_eq!(
        refused(vec![card(0), card(1), card(0)], &[]),
        GenesisRefusal::SameValidator(ValidatorIndex(2))
    );
    assert_eq!(
        refused(vec![card(0), card_of(u32::from(BITS))], &[]),
        GenesisRefusal::Card(ValidatorIndex(1), BadCard::TooLittleWork)
    );
    assert_eq!(
        refused(vec![card(0)], &[(player, Chips(1)), (player, Chips(1))]),
        GenesisRefusal::SameAccount(player.peer)
    );
    assert_eq!(
        refused(vec![card(0)], &[(cheap, Chips(1))]),
        GenesisRefusal::TooLittleWork(player.peer)
    );
    assert_eq!(
        refused(vec![card(0)], &[(player, Chips(u64::MAX)), (other, Chips(1))]),
        GenesisRefusal::TooManyChips
    );
    assert_eq!(refused(vec![card(0); 513], &[]), GenesisRefusal::TooLarge);
}

#[test]
fn a_dice_key_for_others_is_refused() {
    let one = insecure(vec![card(0)], &[]).unwrap();
    let four = insecure((0..4).map(card).collect(), &[]).unwrap();
    let mixed = Genesis { dice: one.dice.clone(), ..four.clone() };
    assert_eq!(mixed.check(), Err(GenesisRefusal::DiceKeySize));

    let mut dealt = four.dealt().unwrap().clone();
    assert_eq!(dealt.key.threshold, 3, "n − f of 4");
    dealt.key.threshold = 2;
    let predictable = Genesis { dice: DiceSetup::InsecureDealer(dealt), ..four.clone() };
    assert_eq!(predictable.check(), Err(GenesisRefusal::DiceKeySize));

    let mut dealt = four.dealt().unwrap().clone();
    let mut members = dealt.key.members.to_vec();
    members.swap(0, 1);
    dealt.key.members = List::new(members).unwrap();
    let scrambled = Genesis { dice: DiceSetup::InsecureDealer(dealt), ..four };
    assert!(matches!(scrambled.check(), Err(GenesisRefusal::DiceKey(_))));
}

#[test]
fn a_genesis_reads_back_and_every_difference_is_another_network() {
    let net = Net::new(4, 2);
    let bytes = net.genesis.encode();
    assert_eq!(Genesis::decode(&bytes), Ok(net.genesis.clone()));
    assert_eq!(Genesis::decode(&bytes[1..]), Err(Malformed::Undecodable));
    let later = Genesis { time: BlockTime(1_000_001), ..net.genesis.clone() };
    assert_ne!(later.network(), net.genesis.network());
    assert_eq!(later.check(), Ok(()));
}

#[test]
fn the_state_at_genesis_holds_every_allocation_and_proves_it() {
    let net = Net::new(1, 3);
    let chain = net.chain();
    let state = chain.state();
    assert_eq!(state.supply(), Chips(3 * CHIPS));
    assert!(state.conserved());
    assert_eq!(state.root(), net.genesis.state_root());
    assert_eq!(state.accounts().count(), 3);
    assert_eq!(state.tables().count(), 0);
    assert_eq!(state.dice_key(Epoch(0), 0), net.genesis.dealt().map(|dealt| &dealt.key));

    let key = Key::Account(net.players[1].peer());
    let (entry, proof) = state.prove(&key).unwrap();
    assert!(proof.verify(&state.root(), &key, entry));
    let richer = Entry::Account(Account::holding(Chips(CHIPS + 1)));
    assert!(!proof.verify(&state.root(), &key, &richer));
    assert!(!proof.verify(&state.root(), &Key::Account(net.players[0].peer()), entry));
    assert!(!proof.verify(&Hash::default(), &key, entry));
    assert_eq!(state.prove(&Key::Table(TableId(1))), None);
}

proptest! {
    #[test]
    fn reading_a_genesis_or_a_body_never_fails_hard(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = Genesis::decode(&bytes);
        let _ = Body::decode(&bytes);
    }
}
