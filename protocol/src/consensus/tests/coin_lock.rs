//! Why nobody knows dice that can still be undone: every set of votes that `n` validators can cast
//! about one view, of whom `b` do as they like, up to renaming. What an honest validator does in a
//! view is what rules S1 to S3 leave it; since the threshold counts votes only, how many do each is
//! all that matters.

use alloc::vec::Vec;

/// What one honest validator has said about view u, whose leader may have made two blocks A and B.
#[derive(Clone, Copy, Debug)]
struct Said {
    notarized: Option<Block>,
    finalized: Option<Block>,
    /// Whether it promised by a nullify with h < u, of u or a later view, never to finalize u.
    promised: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    A,
    B,
}

/// How the network counts.
#[derive(Clone, Copy, Debug)]
struct Counting {
    validators: u32,
    quorum: u32,
    shares: u32,
}

impl Said {
    /// Everything that S1 to S3 allow: one notarize and one finalize a view, no finalize against a
    /// promise or after notarizing another block. Which came first does not matter.
    fn all() -> Vec<Self> {
        let blocks = [None, Some(Block::A), Some(Block::B)];
        let mut all = Vec::new();
        for notarized in blocks {
            for finalized in blocks {
                for promised in [false, true] {
                    let broken = finalized.is_some() && promised;
                    let other = finalized.is_some() && notarized.is_some();
                    if !broken && (!other || finalized == notarized) {
                        all.push(Self { notarized, finalized, promised });
                    }
                }
            }
        }
        all
    }
}

/// Whether some reachable set of votes makes the coin of A known while B has a notarization, too,
/// or a nullification lets a later block skip the view.
fn dice_can_be_undone(counting: Counting, corrupt: u32) -> bool {
    let all = Said::all();
    let mut counts: Vec<u32> = all.iter().map(|_| 0).collect();
    let honest = counting.validators - corrupt;
    spread(&mut counts, 0, honest, &mut |counts| {
        let votes = |is: &dyn Fn(&Said) -> bool| -> u32 {
            let said = all.iter().zip(counts).filter(|(said, _)| is(said));
            corrupt + said.map(|(_, count)| count).sum::<u32>()
        };
        let notarized = |block| votes(&|said| said.notarized == Some(block)) >= counting.quorum;
        let finalized = |block| votes(&|said| said.finalized == Some(block));
        // S3: nobody honest finalizes without the notarization.
        let reachable = [Block::A, Block::B]
            .into_iter()
            .all(|block| notarized(block) || finalized(block) == corrupt);
        let known = finalized(Block::A) >= counting.shares;
        let skipped = votes(&|said| said.promised) >= counting.quorum;
        reachable && known && (notarized(Block::B) || skipped)
    })
}

/// Whether `undone` holds for any way to spread `left` validators over the counts from `place` on.
fn spread(
    counts: &mut [u32],
    place: usize,
    left: u32,
    undone: &mut impl FnMut(&[u32]) -> bool,
) -> bool {
    if place + 1 == counts.len() {
        counts[place] = left;
        return undone(counts);
    }
    (0..=left).any(|count| {
        counts[place] = count;
        spread(counts, place + 1, left - count, undone)
    })
}

const fn faults(validators: u32) -> u32 {
    (validators - 1) / 3
}

const fn right(validators: u32) -> Counting {
    let quorum = validators - faults(validators);
    Counting { validators, quorum, shares: quorum }
}

#[test]
fn known_dice_cannot_be_undone_by_fewer_than_n_minus_2f() {
    for n in 1..=10 {
        let lock = n - 2 * faults(n);
        for corrupt in 0..lock {
            assert!(!dice_can_be_undone(right(n), corrupt), "n = {n}, b = {corrupt}");
        }
        assert!(dice_can_be_undone(right(n), lock), "n = {n}: the bound is sharp");
    }
}

#[test]
fn a_lower_threshold_or_quorum_breaks_the_lock() {
    for n in 4..=10 {
        let f = faults(n);
        let few_shares = Counting { shares: f + 1, ..right(n) };
        assert!(dice_can_be_undone(few_shares, f), "n = {n}: a threshold of f + 1");
    }
    for n in [5, 6, 8, 9] {
        let f = faults(n);
        let classic = Counting { quorum: 2 * f + 1, shares: 2 * f + 1, ..right(n) };
        assert!(dice_can_be_undone(classic, f), "n = {n}: 2f + 1 of everything");
    }
}
