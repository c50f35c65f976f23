//! Checking a receipt, step by step, with nothing but itself and what its reader trusts.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::Serialize;

use super::{Receipt, Throw, payouts, settle};
use crate::beacon::{BadCoinProof, BadDiceKey, Coin, threshold};
use crate::block::{Header, ValidatorIndex};
use crate::chain::{Entry, Genesis, Item, Key, NotAuthentic, Operation, TableId};
use crate::consensus::ValidatorSet;
use crate::craps::{Dice, Phase, RollTicket, Round, Settlement};
use crate::identity::{Context, Epoch, NetworkId, PeerId};
use crate::wire::Hash;

/// What the reader of a receipt believes without it.
#[derive(Clone, Copy, Debug)]
pub enum Trust<'a> {
    /// A network's beginning, which must have passed [`Genesis::check`].
    Genesis(&'a Genesis),
    /// Any header of the network: it names the validators of its epoch.
    Header(&'a Header),
}

/// Of which roll, and whose, the reader wants a receipt; what is left out may be any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Of which table.
    pub table: Option<TableId>,
    /// Of which of its rolls.
    pub round: Option<Round>,
    /// Whose.
    pub player: Option<PeerId>,
}

/// The steps, in their order. Each rests on those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It is the receipt that was asked for.
    Subject,
    /// It is of the trusted network.
    Network,
    /// The block is decided by the validators that are trusted.
    Validators,
    /// A quorum of them signed the block, or one that stands on it, for good.
    Finality,
    /// The table with its frozen bets is in the state after the block.
    Table,
    /// So is the dice key, and it is one.
    DiceKey,
    /// The block holds the throw of this roll.
    Throw,
    /// The shares are those of this view's coin, each proved.
    Shares,
    /// Together they are the coin.
    Coin,
    /// The coin is these dice.
    Dice,
    /// The player has a bet on the roll.
    Bet,
    /// The rules pay what is claimed.
    Payout,
}

/// A step that holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Passed {
    /// Which.
    pub step: Step,
    /// What was found, in words.
    pub found: String,
}

/// A step that does not hold; those after it were not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Which.
    pub step: Step,
    /// Why.
    pub why: Why,
}

/// Why a step does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is of this table instead.
    OtherTable(TableId),
    /// It is of this round instead.
    OtherRound(Round),
    /// It is this player's instead; or nobody's in particular.
    OtherPlayer(Option<PeerId>),
    /// It is of this network instead.
    OtherNetwork(NetworkId),
    /// It is of this epoch, whose validators the reader does not know.
    OtherEpoch(Epoch),
    /// The listed validators are not those whom the block names.
    NotTheListed,
    /// They are not those whom the reader trusts.
    NotTheTrusted,
    /// The header at this place of the trail does not stand on the one before.
    BrokenTrail(usize),
    /// The signatures are of another block.
    OtherBlock,
    /// They are not a quorum's.
    NoQuorum,
    /// The table is not in the state.
    NoSuchTable,
    /// Bets are still taken there.
    NotRolling,
    /// Another roll of the table is in the air.
    NotThisRound(Round),
    /// Another view's coin decides it.
    OtherTicket(RollTicket),
    /// The key is not in the state.
    NoSuchKey,
    /// The key is another one than that under which the dice were thrown.
    OtherKey,
    /// It is not made for these validators and their threshold.
    KeySize,
    /// It is none.
    BadKey(BadDiceKey),
    /// The throw is not in the block.
    NotInTheBlock,
    /// The transaction is not what it says.
    NotAuthentic(NotAuthentic),
    /// It does something else.
    NotThisThrow,
    /// The shares prove no coin.
    BadShares(BadCoinProof),
    /// The coin is this one instead.
    OtherCoin(Coin),
    /// The dice are these instead.
    OtherDice(Dice),
    /// The player has no bet up.
    NoBet(PeerId),
    /// The rules pay something else.
    OtherPayouts,
}

/// What came of checking a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The steps that hold, in their order.
    pub passed: Vec<Passed>,
    /// What is proved, or the step that does not hold.
    pub end: Result<Box<Proven>, Failed>,
}

/// What a good receipt proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// On which network.
    pub network: NetworkId,
    /// The header of the block with the throw.
    pub header: Header,
    /// Where.
    pub table: TableId,
    /// What the table is called.
    pub name: String,
    /// Which roll.
    pub round: Round,
    /// Whose receipt it is, if anybody's.
    pub player: Option<PeerId>,
    /// How many validators there are.
    pub validators: usize,
    /// Which of them signed.
    pub signers: Vec<ValidatorIndex>,
    /// Which of them gave their shares of the coin.
    pub sharers: Vec<ValidatorIndex>,
    /// Who threw; `None` is the house.
    pub shooter: Option<PeerId>,
    /// The coin.
    pub coin: Coin,
    /// Everything that the roll did at the table, but for the owner's draws.
    pub settlement: Settlement,
}

impl Receipt {
    /// Checks everything, in the order of [`Step`], until something does not hold.
    pub fn verify(&self, trust: Trust<'_>, asked: &Asked) -> Verdict {
        let mut check = Check { receipt: self, trust, passed: Vec::new() };
        let end = check.run(asked);
        Verdict { passed: check.passed, end }
    }
}

struct Check<'a> {
    receipt: &'a Receipt,
    trust: Trust<'a>,
    passed: Vec<Passed>,
}

impl Check<'_> {
    fn run(&mut self, asked: &Asked) -> Result<Box<Proven>, Failed> {
        let receipt = self.receipt;
        let claim = &receipt.claim;
        self.step(Step::Subject, |check| check.subject(asked))?;
        self.step(Step::Network, Self::network)?;
        let validators = self.step(Step::Validators, Self::validators)?;
        let signers = self.step(Step::Finality, |check| check.finality(&validators))?;
        let ticket = self.step(Step::Table, Self::table)?;
        self.step(Step::DiceKey, |check| check.dice_key(ticket))?;
        let shooter = self.step(Step::Throw, Self::throw)?;
        let coin = self.step(Step::Shares, Self::shares)?;
        self.step(Step::Coin, |_| {
            let found = format!("{coin}");
            if coin == claim.coin { Ok(((), found)) } else { Err(Why::OtherCoin(coin)) }
        })?;
        let dice = Dice::from_bytes(coin.dice_bytes(claim.table.0, claim.round.0));
        self.step(Step::Dice, |_| {
            let found = format!("{dice} = {}", dice.total());
            if dice == claim.dice { Ok(((), found)) } else { Err(Why::OtherDice(dice)) }
        })?;
        self.step(Step::Bet, Self::bet)?;
        let settlement = self.step(Step::Payout, |check| check.payout(dice))?;
        Ok(Box::new(Proven {
            network: receipt.header.network,
            header: receipt.header,
            table: claim.table,
            name: receipt.table.name.to_string(),
            round: claim.round,
            player: claim.player,
            validators: validators.len(),
            signers,
            sharers: receipt.shares.iter().map(|(index, _)| *index).collect(),
            shooter,
            coin,
            settlement,
        }))
    }

    fn step<T>(
        &mut self,
        step: Step,
        check: impl FnOnce(&Self) -> Result<(T, String), Why>,
    ) -> Result<T, Failed> {
        let (value, found) = check(self).map_err(|why| Failed { step, why })?;
        self.passed.push(Passed { step, found });
        Ok(value)
    }

    fn subject(&self, asked: &Asked) -> Result<((), String), Why> {
        let claim = &self.receipt.claim;
        if asked.table.is_some_and(|table| table != claim.table) {
            return Err(Why::OtherTable(claim.table));
        }
        if asked.round.is_some_and(|round| round != claim.round) {
            return Err(Why::OtherRound(claim.round));
        }
        if asked.player.is_some() && asked.player != claim.player {
            return Err(Why::OtherPlayer(claim.player));
        }
        let whose = claim.player.map_or("whom it may concern".into(), |player| player.short());
        let found = format!("table {}, roll {}, for {whose}", claim.table.0, claim.round);
        Ok(((), found))
    }

    fn network(&self) -> Result<((), String), Why> {
        let own = self.receipt.header.network;
        let (trusted, name) = match self.trust {
            Trust::Genesis(genesis) => (genesis.network(), format!(" \"{}\"", &*genesis.name)),
            Trust::Header(header) => (header.network, String::new()),
        };
        if own != trusted {
            return Err(Why::OtherNetwork(own));
        }
        Ok(((), format!("{}{name}", own.short())))
    }

    fn validators(&self) -> Result<(ValidatorSet, String), Why> {
        let Header { network, epoch, commitments, .. } = self.receipt.header;
        let listed = self.receipt.validators.to_vec();
        let (trusted_epoch, trusted) = match self.trust {
            Trust::Genesis(genesis) => (Epoch(0), genesis.validators_hash()),
            Trust::Header(header) => (header.epoch, header.commitments.validators),
        };
        if epoch != trusted_epoch {
            return Err(Why::OtherEpoch(epoch));
        }
        if commitments.validators != trusted {
            return Err(Why::NotTheTrusted);
        }
        let distinct: BTreeSet<&PeerId> = listed.iter().collect();
        let is_a_set = !listed.is_empty() && distinct.len() == listed.len();
        if !is_a_set || Hash::of("bitcraps 2026 validators", &listed) != commitments.validators {
            return Err(Why::NotTheListed);
        }
        let set = ValidatorSet::new(listed, &Context { network, epoch });
        let found = format!("{} of epoch {}, {} decide", set.len(), epoch.0, set.quorum());
        Ok((set, found))
    }

    fn finality(&self, validators: &ValidatorSet) -> Result<(Vec<ValidatorIndex>, String), Why> {
        let Receipt { header, trail, finalization, .. } = self.receipt;
        let mut last = header;
        for (place, next) in trail.iter().enumerate() {
            let stands = next.parent.hash == last.hash() && next.parent.view == last.view;
            let is_next = (next.network, next.epoch) == (last.network, last.epoch)
                && next.height == last.height.next();
            if !stands || !is_next {
                return Err(Why::BrokenTrail(place));
            }
            last = next;
        }
        if (finalization.view, finalization.block) != (last.view, last.hash()) {
            return Err(Why::OtherBlock);
        }
        let context = Context { network: header.network, epoch: header.epoch };
        finalization.verify(validators, &context, |_| false).map_err(|_| Why::NoQuorum)?;
        let signers: Vec<ValidatorIndex> = finalization.votes().map(|vote| vote.voter).collect();
        let after = match trail.len() {
            0 => String::new(),
            blocks => format!(", {blocks} blocks later"),
        };
        let found = format!(
            "block {} of view {} ({}), signed by {}{after}",
            header.height,
            header.view,
            header.hash().short(),
            list(&signers)
        );
        Ok((signers, found))
    }

    fn table(&self) -> Result<(RollTicket, String), Why> {
        let Receipt { claim, header, table, table_proof, .. } = self.receipt;
        let entry = Entry::Table(Box::new(table.clone()));
        if !table_proof.verify(&header.commitments.state, &Key::Table(claim.table), &entry) {
            return Err(Why::NoSuchTable);
        }
        let Phase::Rolling { ticket } = table.table.phase() else { return Err(Why::NotRolling) };
        if table.table.round() != claim.round {
            return Err(Why::NotThisRound(table.table.round()));
        }
        if ticket.view != header.view {
            return Err(Why::OtherTicket(ticket));
        }
        let bets = table.table.bets().count();
        Ok((ticket, format!("\"{}\", roll {} in the air, {bets} bets", &*table.name, claim.round)))
    }

    fn dice_key(&self, ticket: RollTicket) -> Result<((), String), Why> {
        let Receipt { header, validators, dice_key, dice_key_proof, .. } = self.receipt;
        if dice_key.version != ticket.key_version {
            return Err(Why::OtherKey);
        }
        let place = Key::DiceKey(header.epoch, dice_key.version);
        let entry = Entry::DiceKey(dice_key.clone());
        if !dice_key_proof.verify(&header.commitments.state, &place, &entry) {
            return Err(Why::NoSuchKey);
        }
        let members = validators.len();
        if dice_key.members.len() != members || dice_key.threshold != threshold(members) {
            return Err(Why::KeySize);
        }
        dice_key.table().map_err(Why::BadKey)?;
        let dealer = match self.trust {
            Trust::Genesis(genesis) if genesis.is_insecure() => {
                "; INSECURE: whoever made the network could know every roll"
            }
            Trust::Genesis(_) | Trust::Header(_) => "",
        };
        let found = format!(
            "version {}: {} of {members} make a coin{dealer}",
            dice_key.version, dice_key.threshold
        );
        Ok(((), found))
    }

    fn throw(&self) -> Result<(Option<PeerId>, String), Why> {
        let Receipt { claim, header, throw, throw_proof, .. } = self.receipt;
        let item = match throw {
            Throw::Shooter(signed) => Item::Transaction(signed),
            Throw::House => Item::Roll(claim.table),
        };
        if !item.is_in(&header.commitments.transactions, throw_proof) {
            return Err(Why::NotInTheBlock);
        }
        let Throw::Shooter(signed) = throw else {
            return Ok((None, "by the house".into()));
        };
        let verified = signed.clone().verify(header.network).map_err(Why::NotAuthentic)?;
        let transaction = verified.transaction();
        let this = Operation::Roll { table: claim.table, round: claim.round };
        if transaction.operation != this {
            return Err(Why::NotThisThrow);
        }
        let shooter = transaction.sender.peer;
        Ok((Some(shooter), format!("by {}", shooter.short())))
    }

    fn shares(&self) -> Result<(Coin, String), Why> {
        let Receipt { header, dice_key, shares, .. } = self.receipt;
        let proof = self.receipt.coin_proof();
        let coin = proof.verify(dice_key, header.network, header.epoch).map_err(Why::BadShares)?;
        let sharers: Vec<ValidatorIndex> = shares.iter().map(|(index, _)| *index).collect();
        Ok((coin, format!("of {}", list(&sharers))))
    }

    fn bet(&self) -> Result<((), String), Why> {
        let Receipt { claim, table, .. } = self.receipt;
        let Some(player) = claim.player else { return Ok(((), "of nobody in particular".into())) };
        let bets = table.table.bets().filter(|(whose, ..)| whose.0 == player.0);
        let bets: Vec<String> = bets.map(|(_, bet, chips)| format!("{bet} {chips}")).collect();
        if bets.is_empty() {
            return Err(Why::NoBet(player));
        }
        Ok(((), bets.join(", ")))
    }

    fn payout(&self, dice: Dice) -> Result<(Settlement, String), Why> {
        let Receipt { claim, table, .. } = self.receipt;
        let settlement = settle(table, dice);
        let payouts = payouts(&settlement);
        if payouts != claim.payouts.to_vec() {
            return Err(Why::OtherPayouts);
        }
        let of = |player: PeerId| {
            let paid = payouts.iter().find(|(whose, _)| *whose == player);
            paid.map_or(0, |(_, chips)| chips.0)
        };
        let found = match claim.player {
            Some(player) => format!("{} chips", of(player)),
            None => {
                let all =
                    payouts.iter().map(|(whose, chips)| format!("{chips} to {}", whose.short()));
                let all = all.collect::<Vec<_>>().join(", ");
                if all.is_empty() { "nothing to anybody".into() } else { all }
            }
        };
        Ok((settlement, found))
    }
}

/// Indices in a row.
fn list(indices: &[ValidatorIndex]) -> String {
    indices.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Self; 12] = [
        Self::Subject,
        Self::Network,
        Self::Validators,
        Self::Finality,
        Self::Table,
        Self::DiceKey,
        Self::Throw,
        Self::Shares,
        Self::Coin,
        Self::Dice,
        Self::Bet,
        Self::Payout,
    ];
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Subject => "subject",
            Self::Network => "network",
            Self::Validators => "validators",
            Self::Finality => "finality",
            Self::Table => "table",
            Self::DiceKey => "dice key",
            Self::Throw => "throw",
            Self::Shares => "shares",
            Self::Coin => "coin",
            Self::Dice => "dice",
            Self::Bet => "bet",
            Self::Payout => "payout",
        })
    }
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherTable(table) => write!(formatter, "it is of table {}", table.0),
            Self::OtherRound(round) => write!(formatter, "it is of roll {round}"),
            Self::OtherPlayer(Some(player)) => write!(formatter, "it is for player {player}"),
            Self::OtherPlayer(None) => formatter.write_str("it is for no player in particular"),
            Self::OtherNetwork(network) => write!(formatter, "it is of network {network}"),
            Self::OtherEpoch(epoch) => {
                write!(formatter, "it is of epoch {}, whose validators are unknown", epoch.0)
            }
            Self::NotTheListed => {
                formatter.write_str("the listed validators are not those whom the block names")
            }
            Self::NotTheTrusted => {
                formatter.write_str("the block names other validators than those who are trusted")
            }
            Self::BrokenTrail(place) => {
                write!(formatter, "block {place} of the trail does not stand on the one before")
            }
            Self::OtherBlock => formatter.write_str("the signatures are of another block"),
            Self::NoQuorum => formatter.write_str("the signatures are not a quorum's"),
            Self::NoSuchTable => formatter.write_str("the table is not in the certified state"),
            Self::NotRolling => formatter.write_str("no roll is in the air there"),
            Self::NotThisRound(round) => write!(formatter, "roll {round} is in the air there"),
            Self::OtherTicket(ticket) => {
                write!(formatter, "the coin of view {} decides the roll", ticket.view)
            }
            Self::NoSuchKey => formatter.write_str("the dice key is not in the certified state"),
            Self::OtherKey => formatter.write_str("the dice were thrown under another key"),
            Self::KeySize => formatter.write_str("the dice key is not made for these validators"),
            Self::BadKey(bad) => bad.fmt(formatter),
            Self::NotInTheBlock => formatter.write_str("the throw is not in the block"),
            Self::NotAuthentic(NotAuthentic::Malformed(malformed)) => {
                write!(formatter, "the transaction is {malformed}")
            }
            Self::NotAuthentic(NotAuthentic::BadSignature) => {
                formatter.write_str("the transaction is not signed by its sender")
            }
            Self::NotThisThrow => formatter.write_str("the transaction does something else"),
            Self::BadShares(bad) => bad.fmt(formatter),
            Self::OtherCoin(coin) => write!(formatter, "the shares make {coin}"),
            Self::OtherDice(dice) => write!(formatter, "the coin makes {dice}"),
            Self::NoBet(player) => write!(formatter, "player {player} has no bet on the roll"),
            Self::OtherPayouts => formatter.write_str("the rules pay something else"),
        }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.step, self.why)
    }
}

impl core::error::Error for Failed {}
