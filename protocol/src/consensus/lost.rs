//! A validator that has forgotten what it promised: its journal was lost, or restored from a
//! backup, or another process votes with its key.
//!
//! It counts among the f until it is done, so the others have a quorum without it. It asks the
//! other validators where they are; n − q + f answers hold one from an honest validator that has
//! seen at least as much as any certificate its forgotten votes are part of. An answer counts once
//! this validator has entered the view that it names, or a later one: views are entered by
//! certificates, so nobody can make it wait for a view that never comes, and no certificate needs
//! to travel with each answer. It makes the maximum durable, votes only in views above the one
//! after it, and nullifies and answers others only once it holds a notarization from there. With
//! f = 0 nobody can vouch for it: then only a human's override helps.

use alloc::collections::BTreeMap;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Consensus, Message, Output, Vote};
use crate::block::{ValidatorIndex, View};
use crate::event::{Fault, LinkId};
use crate::identity::{Domain, Signature};
use crate::journal::Entry;
use crate::time::Time;
use crate::wire::{Hash, encode};

/// What the host knows of this node's past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Past {
    /// The journal holds all of it; there may not have been any.
    #[default]
    Known,
    /// The journal is younger than the key.
    Lost,
    /// It was lost, and a human has decided that the validator votes all the same.
    Overridden,
}

/// Whether this validator may vote.
#[derive(Debug, Default)]
pub(super) enum Standing {
    /// It knows what it promised.
    #[default]
    Clear,
    /// It asks where the others are. The first answer of each validator.
    Asking { nonce: Hash, answers: BTreeMap<ValidatorIndex, View>, ask_at: Time, attempt: u8 },
    /// It may vote above the view after this one.
    Barred { maximum: View },
}

/// A validator asks where the others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inquiry {
    pub(super) requester: ValidatorIndex,
    pub(super) nonce: Hash,
    signature: Signature,
}

/// A validator says which view it has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Testimony {
    pub(super) requester: ValidatorIndex,
    pub(super) nonce: Hash,
    pub(super) voter: ValidatorIndex,
    view: View,
    signature: Signature,
}

/// The most doublings of the pause between two questions, or two answers to one validator.
const DOUBLINGS: u32 = 5;

/// The pause after so many times.
pub(super) fn pause(first: Duration, times: u32) -> Duration {
    first * (1 << times.min(DOUBLINGS))
}

/// What inquiry and testimony sign, as [`Domain::Recovery`].
#[derive(Serialize)]
enum Signed {
    Inquiry(ValidatorIndex, Hash),
    Testimony(ValidatorIndex, Hash, View),
}

impl Inquiry {
    pub(super) const fn author(&self) -> ValidatorIndex {
        self.requester
    }
}

impl Testimony {
    pub(super) const fn author(&self) -> ValidatorIndex {
        self.voter
    }
}

impl Consensus {
    /// Takes the host's word on the past, after the journal was folded.
    pub(super) fn recall(&mut self, past: Past) {
        let barred = matches!(self.standing, Standing::Barred { .. });
        match past {
            Past::Lost if self.signer.is_some() && !self.overridden && !barred => self.forget(),
            Past::Overridden if self.signer.is_some() && !self.overridden => {
                self.overridden = true;
                self.standing = Standing::Clear;
                self.persist(Entry::Overridden);
            }
            Past::Known | Past::Lost | Past::Overridden => {}
        }
    }

    /// Looks at a vote of one's own that came from elsewhere. Each is journalled and counted before
    /// it leaves: one that is not known here was cast by another process, or before the journal was
    /// lost. Those that a known loss explains are no news, and a human who has overridden one
    /// answers for them.
    pub(super) fn recognise(&mut self, vote: &Vote) {
        let mine = self.index() == Some(vote.voter);
        if mine && !self.overridden && self.may_vote_in(vote.view()) && !self.is_counted(vote) {
            self.forget();
        }
    }

    /// This validator no longer trusts its memory: it stops voting and asks.
    fn forget(&mut self) {
        if matches!(self.standing, Standing::Asking { .. }) {
            return;
        }
        self.parked.clear();
        let nonce = Hash(self.rng.bytes32());
        let (answers, ask_at) = (BTreeMap::new(), self.now);
        self.standing = Standing::Asking { nonce, answers, ask_at, attempt: 0 };
        self.outputs.push_back(Output::Forgotten);
    }

    /// Whether this validator may notarize, propose or finalize in `view`.
    pub(super) fn may_vote_in(&self, view: View) -> bool {
        match self.standing {
            Standing::Clear => true,
            Standing::Asking { .. } => false,
            Standing::Barred { maximum } => view > maximum.next(),
        }
    }

    /// Whether this validator is done with what it forgot, so that it may nullify and vouch.
    pub(super) fn has_recalled(&self) -> bool {
        match self.standing {
            Standing::Clear => true,
            Standing::Asking { .. } => false,
            Standing::Barred { maximum } => self.highest_view() > maximum.next(),
        }
    }

    /// Why this validator does not vote, if it does not; for people.
    pub fn abstains(&self) -> Option<&'static str> {
        match self.standing {
            Standing::Clear => None,
            Standing::Asking { .. } if self.validators.faults() == 0 => Some(
                "its journal is lost, and in a network this small nobody can vouch for it: start \
                 it with --accept-lost-journal if no other process votes with its key",
            ),
            Standing::Asking { .. } => {
                Some("its journal is lost, and it asks where the others are")
            }
            Standing::Barred { .. } if self.has_recalled() => None,
            Standing::Barred { .. } => {
                Some("its journal is lost, and it waits for a view in which it cannot have voted")
            }
        }
    }

    pub(super) fn asks_at(&self) -> Option<Time> {
        match self.standing {
            Standing::Asking { ask_at, .. } if self.validators.faults() > 0 => Some(ask_at),
            Standing::Asking { .. } | Standing::Clear | Standing::Barred { .. } => None,
        }
    }

    /// Asks again when it is time.
    pub(super) fn keep_asking(&mut self) {
        self.recollect();
        if self.asks_at().is_none_or(|at| at > self.now) {
            return;
        }
        let patience = self.pacemaker.patience();
        let (Standing::Asking { nonce, ask_at, attempt, .. }, Some(signer)) =
            (&mut self.standing, &self.signer)
        else {
            return;
        };
        let (requester, nonce) = (signer.index, *nonce);
        let bytes = encode(&Signed::Inquiry(requester, nonce));
        let signature = signer.key.sign(Domain::Recovery, &self.context, &bytes);
        let said = *attempt;
        *attempt = attempt.wrapping_add(1);
        *ask_at = self.now + pause(patience * 2, said.into());
        let message = Message::Inquiry(Inquiry { requester, nonce, signature });
        self.outputs.push_back(Output::Broadcast { message, attempt: said });
    }

    /// Somebody asks.
    pub(super) fn on_inquiry(&mut self, link: LinkId, inquiry: Inquiry) {
        let Inquiry { requester, nonce, signature } = inquiry;
        let bytes = encode(&Signed::Inquiry(requester, nonce));
        if !self.is_signed(link, requester, &bytes, &signature) {
            return;
        }
        self.outputs.push_back(Output::Relay);
        self.vouch(link, &inquiry);
    }

    /// What this validator answers.
    pub(super) fn testify(&self, requester: ValidatorIndex, nonce: Hash) -> Option<Testimony> {
        let signer = self.signer.as_ref()?;
        // One's own votes are journalled, and views are entered in order: the view one is in is
        // never below one's highest vote.
        let (voter, view) = (signer.index, self.view);
        let bytes = encode(&Signed::Testimony(requester, nonce, view));
        let signature = signer.key.sign(Domain::Recovery, &self.context, &bytes);
        Some(Testimony { requester, nonce, voter, view, signature })
    }

    /// Somebody answers by broadcast.
    pub(super) fn on_testimony(&mut self, link: LinkId, testimony: Testimony) {
        if self.is_testified(link, &testimony) {
            self.relay_answer(&testimony);
            self.weigh(testimony);
        }
    }

    /// Somebody answers, over neighbours.
    pub(super) fn on_answer(&mut self, link: LinkId, testimony: Testimony) {
        if !self.is_testified(link, &testimony) {
            return;
        }
        if self.index() == Some(testimony.requester) {
            self.weigh(testimony);
        } else {
            self.send_back(testimony);
        }
    }

    fn is_testified(&mut self, link: LinkId, testimony: &Testimony) -> bool {
        let Testimony { requester, nonce, voter, view, signature } = testimony;
        let bytes = encode(&Signed::Testimony(*requester, *nonce, *view));
        self.is_signed(link, *voter, &bytes, signature)
    }

    /// Keeps an answer if it was asked for.
    fn weigh(&mut self, testimony: Testimony) {
        let Testimony { requester, nonce, voter, view, .. } = testimony;
        let mine = self.index() == Some(requester) && voter != requester;
        match &mut self.standing {
            Standing::Asking { nonce: asked, answers, .. } if mine && *asked == nonce => {
                answers.entry(voter).or_insert(view);
            }
            Standing::Asking { .. } | Standing::Clear | Standing::Barred { .. } => {}
        }
    }

    /// Knows where it may vote again once it is where enough of those who answered were.
    fn recollect(&mut self) {
        let Standing::Asking { answers, .. } = &self.standing else { return };
        let enough = self.validators.len() - self.validators.quorum() + self.validators.faults();
        let reached = answers.values().filter(|view| **view <= self.view);
        if self.validators.faults() == 0 || reached.clone().count() < enough {
            return;
        }
        let maximum = reached.max().copied().unwrap_or_default();
        self.standing = Standing::Barred { maximum };
        self.persist(Entry::Barred { maximum });
    }

    fn is_signed(
        &mut self,
        link: LinkId,
        author: ValidatorIndex,
        bytes: &[u8],
        signature: &Signature,
    ) -> bool {
        let Some(peer) = self.validators.peer(author) else {
            self.blame(link, Fault::NotAValidator);
            return false;
        };
        let signed = peer.verify(Domain::Recovery, &self.context, bytes, signature).is_ok();
        if !signed {
            self.blame(link, Fault::BadSignature);
        }
        signed
    }
}
