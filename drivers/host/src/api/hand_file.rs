//! `GET /v1/tables/{id}/hands`: a table's hands as a hand file, made while it is read.

use std::collections::VecDeque;

use bitcraps_protocol::beacon::DiceKey;
use bitcraps_protocol::block::Height;
use bitcraps_protocol::chain::TableId;
use bitcraps_protocol::identity::Epoch;
use bytes::Bytes;

use super::answer::FailureBody;
use super::{Code, Failure, HandLine, Hands, ask};
use crate::{Handle, hands};

/// The hands of a table, from its opening to the block that was the newest final one when it was
/// asked for. What goes wrong on the way is the last line: a failure, as other answers state it,
/// which no hand file can contain.
pub struct HandFile {
    handle: Handle,
    /// `None` when all was said.
    hands: Option<Hands>,
    height: Height,
    end: Height,
    lines: VecDeque<Bytes>,
}

impl HandFile {
    /// The hands of `table`, if there ever was one.
    pub(super) async fn of(handle: &Handle, table: TableId) -> Result<Self, Failure> {
        let known = ask::query(handle, move |node| {
            table > TableId(0) && table < node.state().meta().next_table
        });
        if !known.await? {
            let message = format!("there never was a table {}", table.0);
            return Err(Failure::new(Code::NotFound, message));
        }
        Ok(Self {
            handle: handle.clone(),
            hands: Some(Hands::new(table)),
            height: Height(0),
            end: handle.status().height,
            lines: VecDeque::new(),
        })
    }

    /// The next lines.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        while self.lines.is_empty() {
            if let Err(error) = self.go_on().await? {
                self.hands = None;
                let mut text = super::answer::json(&FailureBody { error }).to_vec();
                text.push(b'\n');
                return Some(text.into());
            }
        }
        self.lines.pop_front()
    }

    /// Reads some more blocks; `None` if there is nothing more to say.
    async fn go_on(&mut self) -> Option<Result<(), Failure>> {
        if self.height >= self.end {
            let played = self.hands.take()?.finish();
            self.lines.extend(played.into_iter().map(written));
            return Some(Ok(()));
        }
        let hands = self.hands.as_mut()?;
        let next = self.height.next();
        let blocks = match ask::blocks(&self.handle, next).await {
            Ok(blocks) => blocks,
            Err(failure) => return Some(Err(failure)),
        };
        if blocks.first().is_none_or(|(first, _)| *first != next) {
            let message = format!("block {next} is not kept here: ask another node");
            return Some(Err(Failure::new(Code::NotFound, message)));
        }
        let keys = ask::query(&self.handle, |node| {
            node.state().dice_keys().map(|(epoch, key)| (epoch, key.clone())).collect()
        });
        let keys: Vec<(Epoch, DiceKey)> = match keys.await {
            Ok(keys) => keys,
            Err(failure) => return Some(Err(failure)),
        };
        for (at, block) in blocks {
            if at != self.height.next() || self.height >= self.end {
                break;
            }
            self.height = at;
            match hands.block(&block, &keys) {
                Ok(played) => self.lines.extend(played.into_iter().map(written)),
                Err(failure) => return Some(Err(failure)),
            }
        }
        Some(Ok(()))
    }
}

fn written(line: HandLine) -> Bytes {
    hands::line(line).into()
}
