//! Key generations among participants of which some cheat, sleep, or forget; the chain is a list of
//! records.

use alloc::boxed::Box;
use alloc::vec;

use proptest::prelude::*;

use super::ceremony::*;
use super::*;
use crate::beacon::sealing::SealingSecret;
use crate::beacon::{CoinId, CoinProof};
use crate::block::View;
use crate::hooks::Hooks;
use crate::wire::{Malformed, decode, encode};

fn naming(dealer: usize, mut complaint: Complaint) -> Complaint {
    complaint.dealer = index(dealer);
    complaint
}

#[test]
fn everybody_makes_a_key_in_three_blocks_and_every_choice_of_shares_gives_its_coin() {
    for n in [1, 2, 3, 4, 7, 31] {
        let mut ceremony = Ceremony::new(n);
        ceremony.work();
        assert_eq!(ceremony.block(), Advance::Dealt, "n = {n}");
        ceremony.work();
        let Advance::Made(key) = ceremony.block() else { panic!("n = {n}") };
        ceremony.work();
        assert_eq!(usize::from(key.threshold), n - (n - 1) / 3);
        assert_eq!((key.version, key.members.len()), (0, n));
        assert_eq!((ceremony.shares.len(), ceremony.generation.attested.len()), (n, n));
        ceremony.assert_one_coin(0);
        ceremony.work();
        assert_eq!(ceremony.block(), Advance::Nothing);
    }
}

#[test]
fn who_is_missing_is_waited_for_and_then_done_without_and_comes_late() {
    for n in [4, 7] {
        let faults = (n - 1) / 3;
        let mut ceremony = Ceremony::new(n);
        ceremony.asleep = (0..faults).map(index).collect();
        let deadline = 32 + n as u64;
        assert_eq!(ceremony.run(deadline - 1), None);
        assert_eq!(ceremony.generation.deals.len(), n - faults);
        ceremony.work();
        assert_eq!(ceremony.block(), Advance::Dealt);
        assert_eq!(ceremony.run(deadline - 1), None, "attests are waited for");
        ceremony.work();
        assert!(matches!(ceremony.block(), Advance::Made(_)));
        ceremony.work();
        ceremony.assert_one_coin(0);
        assert_eq!(ceremony.generation.attested.len(), n - faults);

        ceremony.asleep.clear();
        ceremony.work();
        assert_eq!(ceremony.block(), Advance::Nothing);
        ceremony.work();
        assert_eq!(ceremony.generation.attested.len(), n);
        assert_eq!(ceremony.shares.len(), n);
        ceremony.assert_one_coin(0);
    }
}

#[test]
fn fewer_than_a_quorum_never_make_a_key_however_long_they_wait() {
    let mut ceremony = Ceremony::new(4);
    ceremony.asleep = set(&[0, 1]);
    assert_eq!(ceremony.run(500), None);
    assert_eq!(ceremony.generation.stage, Stage::Dealing { until: Height(36) });
    ceremony.asleep = set(&[0]);
    ceremony.work();
    assert_eq!(ceremony.block(), Advance::Dealt);
    ceremony.asleep = set(&[0, 1]);
    assert_eq!(ceremony.run(500), None);
    ceremony.asleep = set(&[1]);
    assert!(ceremony.run(2).is_some());
}

#[test]
fn a_bad_share_is_complained_about_and_its_dealer_is_out() {
    for cheat in [Cheat::WrongShare, Cheat::Garbage] {
        let mut ceremony = Ceremony::new(4);
        ceremony.cheats.insert(index(2), (index(0), cheat));
        ceremony.work();
        ceremony.block();
        ceremony.work();
        assert!(matches!(ceremony.block(), Advance::Made(_)), "{cheat:?}");
        assert_eq!(ceremony.generation.excluded, set(&[2]));
        assert_eq!(ceremony.generation.counted, set(&[0, 1, 3]));
        ceremony.work();
        assert_eq!(ceremony.shares.len(), 4, "a bad dealer is a member all the same");
        ceremony.assert_one_coin(0);
    }
}

#[test]
fn too_many_bad_dealers_restart_the_run_without_them() {
    let mut ceremony = Ceremony::new(7);
    ceremony.cheats.insert(index(2), (index(0), Cheat::Garbage));
    ceremony.cheats.insert(index(3), (index(0), Cheat::WrongShare));
    ceremony.asleep = set(&[6]);
    ceremony.run(39);
    assert_eq!(ceremony.generation.deals.len(), 6);
    ceremony.work();
    let dealers = set(&[0, 1, 2, 3, 4, 5]);
    assert_eq!(ceremony.block(), Advance::Restarted(dealers), "four are not five");
    assert!(ceremony.deals.is_empty());
    assert_eq!(ceremony.generation.version, 1);
    ceremony.asleep.clear();
    let key = ceremony.run(3).unwrap();
    assert_eq!(key.version, 1);
    assert_eq!(ceremony.generation.counted, set(&[0, 1, 4, 5, 6]));
    ceremony.assert_one_coin(1);
}

#[test]
fn when_those_left_are_too_few_the_run_ends_and_says_so() {
    let mut ceremony = Ceremony::new(4);
    for dealer in [1, 2] {
        ceremony.cheats.insert(index(dealer), (index(0), Cheat::Garbage));
    }
    ceremony.work();
    ceremony.block();
    ceremony.work();
    assert!(matches!(ceremony.block(), Advance::Restarted(_)));
    assert_eq!(ceremony.generation.stage, Stage::Exhausted);
    ceremony.work();
    assert!(ceremony.waiting.is_empty());
    assert_eq!(ceremony.block(), Advance::Nothing);
}

#[test]
fn a_late_complaint_that_holds_retires_the_key_and_its_rolls_are_settled_with_it() {
    let mut ceremony = Ceremony::new(4);
    ceremony.cheats.insert(index(2), (index(0), Cheat::WrongShare));
    ceremony.asleep = set(&[0]);
    // Everybody else deals; validator 0 deals, too, but is away when shares are opened.
    ceremony.asleep.clear();
    ceremony.work();
    ceremony.block();
    ceremony.asleep = set(&[0]);
    let key = ceremony.run(100).unwrap().clone();
    assert_eq!(ceremony.generation.attested, set(&[1, 2, 3]));
    ceremony.rolling.insert(0);

    ceremony.asleep.clear();
    ceremony.work();
    assert_eq!(ceremony.block(), Advance::Retired);
    assert_eq!(ceremony.generation.excluded, set(&[2]));
    assert_eq!(ceremony.generation.retired[&0], set(&[0, 1, 2, 3]));
    assert_eq!(ceremony.keys[&0], key, "a key never changes");
    // Whoever restarts now finds its share of the retired key again.
    ceremony.participants[3] = Participant::new(NETWORK, index(3), &keypair(3));
    ceremony.shares.clear();
    ceremony.participants[1] = Participant::new(NETWORK, index(1), &keypair(1));
    ceremony.participants[2] = Participant::new(NETWORK, index(2), &keypair(2));
    ceremony.cheats.clear();
    let next = ceremony.run(3).unwrap().clone();
    assert_eq!(next.version, 1);
    assert_eq!(ceremony.generation.counted, set(&[0, 1, 3]));
    ceremony.assert_one_coin(0);
    ceremony.assert_one_coin(1);
    assert_ne!(next.members, key.members);

    ceremony.rolling.clear();
    ceremony.block();
    assert!(ceremony.generation.retired.is_empty());
    assert_eq!(ceremony.deals.len(), 3, "nobody asks for the deals of the retired key");
}

#[test]
fn a_crash_at_any_moment_loses_nothing_and_nobody_contradicts_itself() {
    let mut straight = Ceremony::new(4);
    straight.run(5);
    for crash in 0..3 {
        let mut ceremony = Ceremony::new(4);
        for block in 0..3 {
            ceremony.work();
            if block == crash {
                // Everybody forgets everything, and what waited is lost.
                let said = core::mem::take(&mut ceremony.waiting);
                for number in 0..4 {
                    let fresh = Participant::new(NETWORK, index(number), &keypair(number));
                    ceremony.participants[number] = fresh;
                }
                ceremony.work();
                assert_eq!(ceremony.waiting, said);
            }
            ceremony.block();
        }
        ceremony.work();
        assert_eq!(ceremony.keys, straight.keys);
        ceremony.assert_one_coin(0);
    }
}

#[test]
fn a_false_complaint_is_refused() {
    let mut ceremony = Ceremony::new(4);
    ceremony.work();
    ceremony.block();
    let secret = SealingSecret::of(&keypair(0));
    let complain = |ceremony: &Ceremony, by: usize, complaint: Complaint| {
        let complaints = List::new(vec![complaint]).unwrap();
        let deals = ceremony.generation.deals_hash(NETWORK);
        let attest = Statement::Attest(Attest { deals, complaints });
        let record = ceremony.verify(ceremony.record(index(by), attest)).unwrap();
        ceremony.judge(&record)
    };
    let good = &ceremony.deals[&(0, index(1))];
    // The deal of another run does not open, so that the right complaint is made by the wrong name.
    let other = RunId { version: 9, ..ceremony.generation.run(NETWORK) };
    let complaint = good.open(&other, index(1), index(0), &secret).unwrap_err();
    let refused = Err(BadRecord::FalseComplaint(index(1)));
    assert_eq!(complain(&ceremony, 0, complaint), refused, "the share is good");
    assert_eq!(complain(&ceremony, 2, complaint), refused, "by somebody else");
    let bent = {
        let mut bytes = encode(&complaint);
        let last = bytes.len() - 33;
        bytes[last] ^= 1;
        decode(&bytes, 256).unwrap()
    };
    assert_eq!(complain(&ceremony, 0, bent), refused, "not even proved");
    let about = naming(2, complaint);
    assert_eq!(complain(&ceremony, 0, about), Err(BadRecord::FalseComplaint(index(2))));
    assert!(BadRecord::FalseComplaint(index(2)).is_false_complaint());

    let mut absent = Ceremony::new(4);
    absent.asleep = set(&[3]);
    absent.run(36);
    let about = naming(3, complaint);
    assert_eq!(complain(&absent, 0, about), Err(BadRecord::NoSuchDeal(index(3))));
}

#[test]
fn what_is_out_of_place_is_refused_with_its_reason() {
    let mut ceremony = Ceremony::new(4);
    ceremony.work();
    let deals = ceremony.waiting.clone();
    let attest = |ceremony: &Ceremony, deals: Hash| {
        let complaints = List::new(vec![]).unwrap();
        let statement = Statement::Attest(Attest { deals, complaints });
        ceremony.verify(ceremony.record(index(0), statement)).unwrap()
    };
    let none = ceremony.generation.deals_hash(NETWORK);
    let too_early = attest(&ceremony, none);
    assert_eq!(ceremony.judge(&too_early), Err(BadRecord::Early));
    ceremony.block();
    assert_eq!(ceremony.judge(&too_early), Err(BadRecord::OtherDeals));
    assert_eq!(ceremony.judge(&deals[0]), Err(BadRecord::Repeated));
    ceremony.run(3);
    let right = ceremony.generation.deals_hash(NETWORK);
    assert_eq!(ceremony.judge(&attest(&ceremony, right)), Err(BadRecord::Repeated));

    let mut absent = Ceremony::new(4);
    absent.asleep = set(&[0]);
    absent.run(37);
    assert_eq!(absent.judge(&deals[0]), Err(BadRecord::Late));

    let record = |version, epoch| Record {
        epoch,
        version,
        author: index(1),
        statement: deals[1].record().statement.clone(),
    };
    let sign = |record: Record, by: usize| record.sign(&keypair(by), NETWORK);
    let later = sign(record(1, EPOCH), 1);
    let bound = Untrue::BadDeal(index(1), BadDeal::OneTimeKey);
    assert_eq!(ceremony.verify(later), Err(bound), "a deal is bound to its run");
    assert_eq!(ceremony.verify(sign(record(0, Epoch(1)), 1)), Err(Untrue::Epoch));
    assert_eq!(ceremony.verify(sign(record(0, EPOCH), 2)), Err(Untrue::BadSignature));
    let elsewhere = record(0, EPOCH).sign(&keypair(1), Hash([8; 32]));
    assert_eq!(ceremony.verify(elsewhere), Err(Untrue::BadSignature));
    let nobody = Record { author: index(4), ..record(0, EPOCH) };
    assert_eq!(ceremony.verify(sign(nobody, 1)), Err(Untrue::NotAMember));
    let other = Record { author: index(2), ..record(0, EPOCH) };
    let copied = Untrue::BadDeal(index(2), BadDeal::OneTimeKey);
    assert_eq!(ceremony.verify(sign(other, 2)), Err(copied), "a deal is bound to its dealer");
}

#[test]
fn a_deal_of_another_degree_or_without_its_proofs_is_refused() {
    let ceremony = Ceremony::new(4);
    let run = ceremony.generation.run(NETWORK);
    let keys = ceremony.generation.sealing_keys();
    let make = |threshold| Deal::make(&run, index(1), &keys, threshold, &keypair(1));
    let check = |deal: &Deal| deal.check(&run, index(1), 4, 3);
    let good = make(3);
    assert_eq!(check(&good), Ok(()));
    assert_eq!(check(&make(2)), Err(BadDeal::Size));
    assert_eq!(check(&make(4)), Err(BadDeal::Size));
    let fewer = Deal::make(&run, index(1), &keys[..3], 3, &keypair(1));
    assert_eq!(check(&fewer), Err(BadDeal::Size));
    for bad in [[0; 32], [0xff; 32]] {
        let mut commitments = good.commitments.to_vec();
        commitments[1] = bad;
        let commitments = List::new(commitments).unwrap();
        assert_eq!(check(&Deal { commitments, ..good.clone() }), Err(BadDeal::Commitment));
    }
    let mut commitments = good.commitments.to_vec();
    commitments.swap(0, 1);
    let commitments = List::new(commitments).unwrap();
    assert_eq!(check(&Deal { commitments, ..good.clone() }), Err(BadDeal::Secret));
    let swapped = Deal { knows_one_time: good.knows_secret, ..good.clone() };
    assert_eq!(check(&swapped), Err(BadDeal::OneTimeKey));
    let mut bytes = encode(&good);
    let one_time = 1 + 3 * 32;
    bytes[one_time..one_time + 32].fill(0);
    let zero = decode::<Deal>(&bytes, RECORD_BYTES);
    assert_eq!(zero, Err(Malformed::Undecodable), "R = 0 cannot even be written down");
}

/// What the proof of possession of R is for: a cheater publishes an honest dealer's R as its own
/// and has an accomplice complain. What that reveals opens the honest dealer's seal.
#[test]
fn a_copied_one_time_key_would_open_honest_shares_and_is_refused() {
    let ceremony = Ceremony::new(4);
    let run = ceremony.generation.run(NETWORK);
    let keys = ceremony.generation.sealing_keys();
    let honest = Deal::make(&run, index(1), &keys, 3, &keypair(1));
    let own = Deal::make(&run, index(2), &keys, 3, &keypair(2));
    let copied = Deal { one_time: honest.one_time, ..own.clone() };
    assert_eq!(copied.check(&run, index(2), 4, 3), Err(BadDeal::OneTimeKey));
    let with_proof = Deal { knows_one_time: honest.knows_one_time, ..copied };
    assert_eq!(with_proof.check(&run, index(2), 4, 3), Err(BadDeal::OneTimeKey));

    // Without that check the deal passes, and the attack succeeds: honest validator 0 complains,
    // as it must, and everybody reads what honest validator 1 dealt to it.
    assert_eq!(with_proof.check_shape(4, 3), Ok(()));
    let victim = SealingSecret::of(&keypair(0));
    let complaint = with_proof.open(&run, index(2), index(0), &victim).unwrap_err();
    assert!(complaint.holds(&run, &with_proof, index(0), keys[0]));
    let stolen = complaint.opens(&run, &honest, index(1), index(0), keys[0]);
    let secret = honest.open(&run, index(1), index(0), &victim).unwrap();
    assert_eq!(stolen.map(|it| *it), Some(*secret));

    // With a one-time key of its own the same complaint opens nothing else.
    let mut sealed = own.sealed.to_vec();
    sealed.swap(0, 1);
    let bad = Deal { sealed: List::new(sealed).unwrap(), ..own };
    assert_eq!(bad.check(&run, index(2), 4, 3), Ok(()));
    let complaint = bad.open(&run, index(2), index(0), &victim).unwrap_err();
    assert!(complaint.holds(&run, &bad, index(0), keys[0]));
    assert_eq!(complaint.opens(&run, &honest, index(1), index(0), keys[0]), None);
}

#[test]
fn a_key_that_was_worked_out_ahead_is_the_same_and_only_of_the_deals_that_count() {
    for n in [1, 4, 31] {
        let mut ceremony = Ceremony::new(n);
        if n > 1 {
            ceremony.cheats.insert(index(2), (index(0), Cheat::WrongShare));
        }
        ceremony.work();
        ceremony.block();
        let ahead = |ceremony: &Ceremony| {
            let mut sum = Sum::new(&ceremony.generation);
            let mut pieces = 0;
            while !sum.is_done() {
                sum.step(&|version, dealer| ceremony.deals.get(&(version, dealer)));
                pieces += 1;
            }
            (sum, pieces)
        };
        let (with_all, pieces) = ahead(&ceremony);
        // One piece goes through 256 coefficients: at 31 of 21 each, 13 deals or 13 members.
        assert_eq!(pieces, if n == 31 { 5 } else { 1 }, "n = {n}");
        ceremony.work();
        // The bad dealer falls out in the block that makes the key, after all the work.
        let mut unprepared = ceremony;
        let mut prepared = Ceremony::new(n);
        prepared.cheats = unprepared.cheats.clone();
        prepared.work();
        prepared.block();
        prepared.work();
        prepared.sum = Some(with_all.clone());
        let Advance::Made(key) = unprepared.block() else { panic!("n = {n}") };
        assert_eq!(prepared.block(), Advance::Made(key.clone()));
        assert_eq!(prepared.generation, unprepared.generation);
        assert_eq!(with_all.key() == Some(key), n == 1, "with the bad deal it is another key");
    }
}

#[test]
fn a_complaint_about_who_is_out_already_says_nothing_more() {
    let mut ceremony = Ceremony::new(7);
    ceremony.cheats.insert(index(2), (index(0), Cheat::Garbage));
    ceremony.work();
    ceremony.block();
    ceremony.work();
    let first = ceremony.waiting.remove(0);
    let rest = core::mem::replace(&mut ceremony.waiting, vec![first]);
    ceremony.block();
    assert_eq!(ceremony.generation.excluded, set(&[2]));
    let complaint = {
        let Statement::Attest(attest) = &rest[0].record().statement else { panic!() };
        assert!(attest.complaints.is_empty());
        let deal = &ceremony.deals[&(0, index(2))];
        let run = ceremony.generation.run(NETWORK);
        deal.open(&run, index(2), index(0), &SealingSecret::of(&keypair(0))).unwrap_err()
    };
    let complaints = List::new(vec![complaint]).unwrap();
    let deals = ceremony.generation.deals_hash(NETWORK);
    let attest = Statement::Attest(Attest { deals, complaints });
    let record = ceremony.verify(ceremony.record(index(1), attest)).unwrap();
    assert_eq!(ceremony.judge(&record), Ok(BTreeSet::new()));
}

#[test]
fn complaints_come_in_one_order_and_once() {
    let ceremony = Ceremony::new(4);
    let run = ceremony.generation.run(NETWORK);
    let keys = ceremony.generation.sealing_keys();
    let deal = Deal::make(&run, index(1), &keys, 3, &keypair(1));
    let other = RunId { version: 9, ..run };
    let secret = SealingSecret::of(&keypair(0));
    let complaint = deal.open(&other, index(1), index(0), &secret).unwrap_err();
    let about = |dealer| naming(dealer, complaint);
    for wrong in [vec![about(1), about(1)], vec![about(2), about(1)]] {
        let complaints = List::new(wrong).unwrap();
        let attest = Statement::Attest(Attest { deals: Hash::default(), complaints });
        let untrue = Untrue::Malformed(Malformed::NotCanonical);
        assert_eq!(ceremony.verify(ceremony.record(index(0), attest)), Err(untrue));
    }
}

#[test]
fn the_largest_records_fit() {
    let mut ceremony = Ceremony::new(MEMBERS);
    let run = ceremony.generation.run(NETWORK);
    let keys = ceremony.generation.sealing_keys();
    let threshold = ceremony.generation.threshold();
    let deal = Deal::make(&run, index(0), &keys, threshold, &keypair(0));
    let other = RunId { version: 9, ..run };
    let secret = SealingSecret::of(&keypair(1));
    let complaint = deal.open(&other, index(0), index(1), &secret).unwrap_err();
    let deal = ceremony.record(index(0), Statement::Deal(Box::new(deal)));
    assert!(deal.size() < RECORD_BYTES);
    let complaints = (0..MEMBERS).map(|it| naming(it, complaint)).collect();
    let complaints = List::new(complaints).unwrap();
    let attest = Statement::Attest(Attest { deals: Hash::default(), complaints });
    let attest = ceremony.record(index(1), attest);
    assert!(attest.size() < RECORD_BYTES);
    assert!(ceremony.verify(attest).is_ok());
    ceremony.generation.excluded = set(&[1, 2]);
    let bytes = encode(&ceremony.generation);
    assert_eq!(decode(&bytes, 32 * 1024), Ok(ceremony.generation));
}

/// Bytes and processor time of everything, for the documentation:
/// `cargo test --release -p bitcraps-protocol -- --ignored --nocapture what_it_all_costs`.
#[test]
#[ignore = "takes seconds and proves nothing"]
#[expect(clippy::print_stdout, reason = "measures, for reading")]
fn what_it_all_costs() {
    use core::time::Duration;

    use crate::cpu_time::{cpu_time, least};

    for n in [4, 31, 100] {
        let mut ceremony = Ceremony::new(n);
        let run = ceremony.generation.run(NETWORK);
        let keys = ceremony.generation.sealing_keys();
        let threshold = ceremony.generation.threshold();
        let (deal, making) = least(5, || Deal::make(&run, index(0), &keys, threshold, &keypair(0)));
        let (checked, checking) = least(9, || deal.check(&run, index(0), n, threshold));
        assert_eq!(checked, Ok(()));
        let secret = SealingSecret::of(&keypair(1));
        let (opened, opening) = least(9, || deal.open(&run, index(0), index(1), &secret).is_ok());
        assert!(opened);
        let record = ceremony.record(index(0), Statement::Deal(Box::new(deal)));
        let start = cpu_time();
        ceremony.work();
        let dealt: usize = ceremony.waiting.iter().map(|it| it.signed().size()).sum();
        ceremony.block();
        ceremony.work();
        let attested: usize = ceremony.waiting.iter().map(|it| it.signed().size()).sum();
        let all = cpu_time() - start;
        let mut sum = Sum::new(&ceremony.generation);
        let mut pieces = Vec::new();
        while !sum.is_done() {
            let start = cpu_time();
            sum.step(&|version, dealer| ceremony.deals.get(&(version, dealer)));
            pieces.push(cpu_time() - start);
        }
        let summing: Duration = pieces.iter().sum();
        let longest = pieces.iter().max().unwrap();
        ceremony.sum = Some(sum);
        let start = cpu_time();
        ceremony.block();
        let closing = cpu_time() - start;
        let start = cpu_time();
        ceremony.work();
        let all = all + (cpu_time() - start);
        let each = all / u32::try_from(n).unwrap() + summing + closing;
        let id = CoinId { network: NETWORK, epoch: EPOCH, key_version: 0, view: View(3) };
        let input = id.input();
        let some = ceremony.shares.values().next().unwrap();
        let (share, sharing) = least(9, || some.coin_share(&input));
        let shares = ceremony.shares.values().take(usize::from(threshold));
        let shares = shares.map(|share| (share.index(), share.coin_share(&input))).collect();
        let proof = CoinProof { view: View(3), shares: List::new(shares).unwrap() };
        let key = &ceremony.keys[&0];
        let verify = |checked: usize| {
            // Of so many shares it is known that they are good, as they came by gossip before.
            let known: Vec<_> = proof.shares.iter().take(checked).map(|it| it.1).collect();
            let is_known = |_: &[u8; 32], share: &_| known.contains(share);
            proof.verify_by(&Hooks::default(), key, NETWORK, EPOCH, is_known).unwrap();
        };
        let ((), verifying) = least(9, || verify(0));
        let ((), with_some) = least(9, || verify(usize::from(threshold) * 2 / 3));
        let ((), with_all) = least(9, || verify(threshold.into()));
        std::println!(
            "n = {n}, K = {threshold}\n\
             deal: {} bytes; {making:.2?} to make, {checking:.2?} to check, {opening:.2?} to open\n\
             run: {} bytes on the chain; {each:.0?} a node without signatures\n\
             key: {summing:.1?} in {} pieces, the longest {longest:.1?}; then {closing:.1?} to close\n\
             share: {} bytes, {sharing:.2?} to make\n\
             coin: {} bytes, {verifying:.1?} to verify, {with_some:.1?} if two in three of the \
             shares came before, {with_all:.1?} if all did\n",
            record.size(),
            dealt + attested,
            pieces.len(),
            encode(&share).len(),
            encode(&proof).len(),
        );
        ceremony.assert_one_coin(0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whoever_sleeps_when_and_whoever_cheats_the_honest_agree_on_a_key(
        n in 4usize..8,
        sleepers in proptest::collection::vec((0usize..8, 0u64..90, 0u64..60), 0..4),
        cheater in proptest::option::of((0usize..8, 0usize..8, any::<bool>())),
    ) {
        let mut ceremony = Ceremony::new(n);
        if let Some((dealer, victim, garbage)) = cheater
            && dealer % n != victim % n
        {
            let cheat = if garbage { Cheat::Garbage } else { Cheat::WrongShare };
            ceremony.cheats.insert(index(dealer % n), (index(victim % n), cheat));
        }
        for block in 0..400 {
            let sleeps = |(who, from, span): &(usize, u64, u64)| {
                (*from..from + span).contains(&block).then(|| index(who % n))
            };
            ceremony.asleep = sleepers.iter().filter_map(sleeps).collect();
            ceremony.work();
            ceremony.block();
        }
        ceremony.work();
        let version = ceremony.generation.version;
        prop_assert!(ceremony.generation.is_active(), "{:?}", ceremony.generation.stage);
        prop_assert_eq!(ceremony.generation.attested.len(), n, "all share the key in the end");
        let cheaters: BTreeSet<_> = ceremony.cheats.keys().copied().collect();
        prop_assert!(ceremony.generation.excluded.is_subset(&cheaters));
        prop_assert!(ceremony.generation.counted.is_disjoint(&cheaters));
        ceremony.assert_one_coin(version);
    }
}
